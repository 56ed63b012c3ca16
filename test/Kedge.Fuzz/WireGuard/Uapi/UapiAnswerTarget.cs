using System.Text;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Fuzz.WireGuard.Uapi;

/// <summary>
/// Answers on the configuration socket, which another program may give: whatever they are, they are read or refused with the one exception
/// that is documented, and what was read is answered and read again as itself.
/// </summary>
public sealed class UapiAnswerTarget : Target
{
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    public override string Name => "uapi-answer";

    public override int MaximumLength => 900;

    public override int ShortRun => 8_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            "\n", "=", "errno=0\n\n", "errno=-2147483648\n\n", "errno=-22\n\n", $"public_key={SomeKey}\n", $"private_key={SomeKey}\n", $"preshared_key={SomeKey}\n",
            $"own_public_key={SomeKey}\n", "listen_port=51820\n", "fwmark=0\n", "endpoint=[fe80::1%7]:1\n", "has_preshared_key=true\n", "mtu=1420\n", "drop=NoRoute 5\n",
            "gauge=Buffers 9223372036854775807\n", "last_handshake_time_sec=1700000000\n", "last_handshake_time_nsec=999999999\n", "last_handshake_time_sec=253402300799\n",
            "last_handshake_time_nsec=9223372036854775807\n", "tx_bytes=18446744073709551615\n", "rx_bytes=1\n", "persistent_keepalive_interval=25\n", "allowed_ip=fd00::/64\n",
            "stun_server=192.0.2.1:3478\n", "reflexive_endpoint=[2001:db8::9]:51820\n", "nat_mapping=endpoint-dependent\n",
            "-", " ", "9223372036854775807", "-9223372036854775808",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (Read(input) is not { } status)
        {
            trace.Note(1);
            return;
        }
        using (status)
        {
            trace.Note(2, Math.Min(status.Peers.Count, 3));
            using UapiAnswer first = UapiAnswer.Get(status);
            using DeviceStatus again = Read(first.Bytes.Span) ?? throw new InvariantException("our own answers are read");
            using UapiAnswer second = UapiAnswer.Get(again);
            Invariant.Equal(Text(first), Text(second), "what was answered is read as itself");
            using UapiAnswer shown = UapiAnswer.KedgeGet(status);
            Invariant.Holds(!Text(shown).Contains("private_key=", StringComparison.Ordinal), "kedge_get shows no private key");
            Invariant.Holds(!Text(shown).Contains("\npreshared_key=", StringComparison.Ordinal), "kedge_get shows no preshared key");
        }
    }

    private static DeviceStatus? Read(ReadOnlySpan<byte> answer)
    {
        try
        {
            return UapiAnswerReader.Read(answer);
        }
        catch (UapiException)
        {
            return null;
        }
    }

    private static string Text(UapiAnswer answer) => Encoding.ASCII.GetString(answer.Bytes.Span);
}
