using Kedge.Protocol.ProxyProtocol;

namespace Kedge.Fuzz.ProxyProtocol;

/// <summary>
/// The header of a proxy, as it arrives byte by byte: more bytes never take a verdict back, what is complete is within its bounds, and a
/// header that was read says no more than what is in it.
/// </summary>
public sealed class ProxyHeaderTarget : Target
{
    public override string Name => "proxy-header";

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        ProxyHeader.Signature.ToArray(),
        [.. ProxyHeader.Signature, 0x20, 0x00, 0, 0],
        [.. ProxyHeader.Signature, 0x21, 0x11, 0, 12],
        [.. ProxyHeader.Signature, 0x21, 0x21, 0, 36],
        [.. ProxyHeader.Signature, 0x21, 0x31, 0, 216],
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        ProxyHeaderStatus status = ProxyHeader.Parse(input, out ProxyHeader header);
        trace.Note(1, (int)status);
        int settledAt = -1;
        for (int length = 0; length <= input.Length; length++)
        {
            ProxyHeaderStatus early = ProxyHeader.Parse(input[..length], out ProxyHeader earlyHeader);
            if (early == ProxyHeaderStatus.Incomplete)
                Invariant.Equal(-1, settledAt, "more bytes do not take a verdict back");
            else if (settledAt < 0)
                settledAt = length;
            if (early != ProxyHeaderStatus.Incomplete)
                Invariant.Equal((status, header), (early, earlyHeader), "what follows changes nothing");
        }
        if (status != ProxyHeaderStatus.Complete)
        {
            Invariant.Equal(default, header, "without a header nothing is said");
            return;
        }
        Invariant.Equal(settledAt, header.Length, "a header is complete with its last byte");
        Invariant.Holds(input.StartsWith(ProxyHeader.Signature), "a header begins with the signature");
        Invariant.Equal(header.Source.IsNone, header.Destination.IsNone, "both endpoints are known, or neither");
        trace.Note(2, header.Source.Address.Size);
        if (header.Source.IsNone)
            return;
        Span<byte> address = stackalloc byte[16];
        int size = header.Source.Address.CopyTo(address);
        Invariant.Holds(input.Slice(16, size).SequenceEqual(address[..size]), "the source is what follows the fixed part");
    }
}
