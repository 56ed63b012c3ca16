using System.Globalization;
using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Fuzz.WireGuard.Uapi;

/// <summary>
/// Requests on the configuration socket, against a slow reading of the same rules: the same events and the same changes, however the bytes
/// are cut. The first byte says how they are.
/// </summary>
public sealed class UapiRequestTarget : Target
{
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    private static readonly string[] Plain =
    [
        "listen_port", "fwmark", "replace_peers", "remove", "update_only", "replace_allowed_ips", "protocol_version", "endpoint",
        "persistent_keepalive_interval", "allowed_ip", "stun_server", "replace_stun_servers",
    ];

    public override string Name => "uapi-request";

    public override int MaximumLength => 900;

    public override int ShortRun => 8_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            "\n", "\n\n", "=", "get=1\n\n", "set=1\n", "kedge_get=1\n\n", $"public_key={SomeKey}\n", $"private_key={SomeKey}\n", $"preshared_key={SomeKey}\n",
            "listen_port=51820\n", "fwmark=0\n", "replace_peers=true\n", "remove=true\n", "update_only=true\n", "replace_allowed_ips=true\n", "protocol_version=1\n",
            "endpoint=192.0.2.1:51820\n", "endpoint=[fe80::1%eth0]:1\n", "endpoint=[fe80::1%7]:1\n", "persistent_keepalive_interval=25\n", "allowed_ip=10.0.0.0/8\n",
            "stun_server=192.0.2.1:3478\n", "stun_server=[2001:db8::1]:3478\n", "replace_stun_servers=true\n",
            "allowed_ip=-fd00::/64\n", "allowed_ip=", "endpoint=", "%", "]", "-", "65535", "65536", "4294967295", "4294967296", "00", "%0]", "%eth0]", "\0", "\r", "\u007f",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        int cut = reader.Byte();
        ReadOnlySpan<byte> bytes = reader.Rest;
        List<string> expected = SlowUapi.Read(bytes.ToArray());
        List<string> actual = Read(bytes, cut, trace);
        for (int i = 0; i < Math.Max(expected.Count, actual.Count); i++)
            Invariant.Equal(expected.ElementAtOrDefault(i), actual.ElementAtOrDefault(i), "requests mean what the rules say");
        foreach (string line in actual.SelectMany(happened => happened.Split('\n')))
            trace.Note(1, line.Split('=')[0].Sum(c => c)); // which key, or which event
    }

    /// <summary>The index of an interface, of which this machine has two.</summary>
    internal static uint InterfaceIndex(string name) => name switch { "lo" => 1, "eth0" => 2, _ => 0 };

    private static List<string> Read(ReadOnlySpan<byte> bytes, int cut, Trace trace)
    {
        List<string> events = [];
        using var reader = new UapiReader(InterfaceIndex);
        int chunk = cut == 0 ? int.MaxValue : cut;
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> part = bytes[..Math.Min(chunk, bytes.Length)];
            UapiEvent found = reader.Read(part, out int consumed);
            Invariant.Holds(consumed >= 0 && consumed <= part.Length, "no more is consumed than there is");
            Invariant.Holds(found != UapiEvent.None || consumed == part.Length, "without an event everything is consumed");
            Invariant.Holds(found is not UapiEvent.None || consumed > 0, "reading goes on");
            bytes = bytes[consumed..];
            switch (found)
            {
                case UapiEvent.None:
                    break;
                case UapiEvent.Set:
                    using (DeviceChange change = reader.TakeChange())
                        events.Add(Describe(change));
                    break;
                case UapiEvent.Error or UapiEvent.Violation:
                    CheckSecrecy(reader.Error!.Reason);
                    trace.Note(2, reader.Error.Reason.Split(": ")[^1].Length);
                    events.Add($"{found} {reader.Error.Errno}");
                    break;
                default:
                    events.Add(found.ToString());
                    break;
            }
        }
        return events;
    }

    private static void CheckSecrecy(string reason)
    {
        // The values of these are shown, whatever they are.
        bool isPlain = Plain.Any(key => reason.StartsWith($"'{key}=", StringComparison.Ordinal));
        Invariant.Holds(isPlain || !reason.Contains(SomeKey[..8], StringComparison.OrdinalIgnoreCase), "no reason holds a key");
    }

    private static string Describe(DeviceChange change)
    {
        var text = new StringBuilder("Set\n");
        SlowUapi.Line(text, "private_key", Hex(change.PrivateKey));
        SlowUapi.Line(text, "listen_port", change.ListenPort?.ToString(CultureInfo.InvariantCulture));
        SlowUapi.Line(text, "fwmark", change.Fwmark?.ToString(CultureInfo.InvariantCulture));
        SlowUapi.Line(text, "replace_peers", change.ReplacePeers ? "true" : null);
        SlowUapi.Line(text, "replace_stun_servers", change.ReplaceStunServers ? "true" : null);
        foreach (Endpoint server in change.StunServers)
            SlowUapi.Line(text, "stun_server", server.ToString());
        foreach (PeerChange peer in change.Peers)
        {
            SlowUapi.Line(text, "public_key", Hex(peer.PublicKey.ToArray()));
            SlowUapi.Line(text, "remove", peer.Remove ? "true" : null);
            SlowUapi.Line(text, "update_only", peer.UpdateOnly ? "true" : null);
            SlowUapi.Line(text, "preshared_key", Hex(peer.PresharedKey));
            SlowUapi.Line(text, "endpoint", peer.Endpoint?.ToString());
            SlowUapi.Line(text, "persistent_keepalive_interval", peer.PersistentKeepaliveInterval?.ToString(CultureInfo.InvariantCulture));
            SlowUapi.Line(text, "replace_allowed_ips", peer.ReplaceAllowedIps ? "true" : null);
            foreach (AllowedIpChange allowed in peer.AllowedIps)
                SlowUapi.Line(text, "allowed_ip", (allowed.Remove ? "-" : "") + allowed.Prefix);
        }
        return text.ToString();
    }

    private static string? Hex(byte[]? key) => key is null ? null : Convert.ToHexStringLower(key);
}
