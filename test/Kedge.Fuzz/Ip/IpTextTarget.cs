using System.Globalization;
using System.Net;
using System.Text;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Ip;

/// <summary>
/// The texts of addresses, prefixes and endpoints, against a slow reading of the same rules: what one accepts the other accepts, with the
/// same meaning, and what is accepted is written and read again as itself. The base library must read every address as we do.
/// </summary>
public sealed class IpTextTarget : Target
{
    public override string Name => "ip-text";

    public override int MaximumLength => 80;

    public override int ShortRun => 40_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            "0", "1", "255", "256", "00", "01", "0x1", "65535", "65536", "4294967295", "4294967296", "ffff", "FFFF", "::", ":", ".", "/", "[", "]", "%", "-", "+", " ",
            "1.2.3.4", "::ffff:", "fe80::1%3", "]:51820", "/0", "/32", "/33", "/128", "/129", "\u0661", "\uff11", "0:0:0:0:0:0:0:0", "64:ff9b::", "::5efe:",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        string text = Encoding.UTF8.GetString(input);
        CheckAddress(text, trace);
        CheckPrefix(text, trace);
        CheckEndpoint(text, trace);
    }

    private static void CheckAddress(string text, Trace trace)
    {
        bool accepted = IpAddress.TryParse(text, out IpAddress address);
        trace.Note(1, accepted ? address.Size : -1);
        byte[]? expected = SlowText.Address(text);
        Invariant.Equal(expected is not null, accepted, "an address is accepted exactly when the rules say so");
        if (!accepted)
        {
            Invariant.Holds(address == default, "what is refused leaves no address");
            return;
        }
        Span<byte> bytes = stackalloc byte[16];
        bytes = bytes[..address.CopyTo(bytes)];
        Invariant.Equal(Convert.ToHexString(expected!), Convert.ToHexString(bytes), "an address means what the rules say");
        Invariant.Equal(new IPAddress(bytes), IPAddress.Parse(text), "the base library reads an address as we do");
        Invariant.Equal(address, IpAddress.FromBytes(bytes), "an address is its bytes");

        string written = address.ToString();
        trace.Note(2, written.Length);
        Invariant.Equal(address, IpAddress.Parse(written), "an address is read again as it was written");
        if (!written.Contains('.') || address.IsIPv4)
            Invariant.Equal(SlowText.Write(bytes), written, "an address is written as RFC 5952 says");
    }

    private static void CheckPrefix(string text, Trace trace)
    {
        bool accepted = IpPrefix.TryParse(text, out IpPrefix prefix);
        string[] parts = text.Split('/', 2);
        byte[]? address = SlowText.Address(parts[0]);
        int size = 8 * (address?.Length ?? 0);
        ulong? length = parts.Length == 1 ? (ulong)size : SlowText.Number(parts[1], (ulong)size);
        trace.Note(3, accepted ? prefix.Length : -1);
        Invariant.Equal(address is not null && length is not null, accepted, "a prefix is accepted exactly when the rules say so");
        if (!accepted)
        {
            Invariant.Holds(prefix.IsNone, "what is refused leaves no prefix");
            return;
        }
        Invariant.Equal(length!.Value, (ulong)prefix.Length, "a prefix has the length that was written");
        Span<byte> bytes = stackalloc byte[16];
        bytes = bytes[..prefix.Address.CopyTo(bytes)];
        for (int bit = 0; bit < size; bit++)
        {
            bool expected = bit < prefix.Length && SlowText.Bit(address, bit);
            Invariant.Equal(expected, SlowText.Bit(bytes, bit), "the bits of a prefix are the address's, and zero behind its length");
        }
        Invariant.Equal(prefix, IpPrefix.Parse(prefix.ToString()), "a prefix is read again as it was written");
        Invariant.Holds(prefix.Contains(IpAddress.Parse(parts[0])), "a prefix contains the address it was made of");
    }

    private static void CheckEndpoint(string text, Trace trace)
    {
        bool accepted = Endpoint.TryParse(text, out Endpoint endpoint);
        trace.Note(4, accepted ? endpoint.Address.Size : -1);
        Invariant.Equal(SlowText.IsEndpoint(text), accepted, "an endpoint is accepted exactly when the rules say so");
        if (!accepted)
        {
            Invariant.Holds(endpoint.IsNone, "what is refused leaves no endpoint");
            return;
        }
        Invariant.Equal(endpoint, Endpoint.Parse(endpoint.ToString()), "an endpoint is read again as it was written");
        string port = endpoint.Port.ToString(CultureInfo.InvariantCulture);
        Invariant.Holds(text.EndsWith(":" + port, StringComparison.Ordinal), "an endpoint has the port that was written");
        if (endpoint.ScopeId != 0)
            Invariant.Holds(text.Contains($"%{endpoint.ScopeId}]", StringComparison.Ordinal), "an endpoint has the scope that was written");
    }
}
