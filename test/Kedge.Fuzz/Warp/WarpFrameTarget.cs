using Kedge.Protocol.Warp;

namespace Kedge.Fuzz.Warp;

/// <summary>
/// What both ends of a warp read from a stream that may bring it byte by byte: a verdict is never taken back by more bytes, and what was read is
/// written again as it was.
/// </summary>
public sealed class WarpFrameTarget : Target
{
    public override string Name => "warp-frame";

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        WarpFrame.Hello("dev1"),
        WarpFrame.Accepted(),
        WarpFrame.Refused(WarpRefusal.UidTaken, "taken"),
        [1, 0, 80, 9, .. "127.0.0.1"u8, 4, 127, 0, 0, 1, 1, 2],
        [1, 0, 80, 3, .. "::1"u8, 16],
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        WarpParse frame = WarpFrame.Parse(input, out WarpFrame read);
        WarpParse header = CallHeader.Parse(input, out CallHeader call);
        trace.Note(1, (int)frame);
        trace.Note(2, (int)header);
        for (int length = 0; length < input.Length; length++)
        {
            WarpParse early = WarpFrame.Parse(input[..length], out WarpFrame earlyRead);
            Invariant.Holds(early == WarpParse.Incomplete || (early, earlyRead) == (frame, read), "more bytes do not take a verdict on a frame back");
            WarpParse earlyHeader = CallHeader.Parse(input[..length], out CallHeader earlyCall);
            Invariant.Holds(
                earlyHeader == WarpParse.Incomplete || (earlyHeader, earlyCall) == (header, call), "more bytes do not take a verdict on a header back");
        }
        if (header == WarpParse.Complete)
        {
            Invariant.Holds(call.Length <= CallHeader.MaximumLength, "a header has a bound");
            Invariant.Holds(CallHeader.Write(call.Target, call.Caller).AsSpan().SequenceEqual(input[..call.Length]), "a header is written as it was read");
        }
        if (frame == WarpParse.Complete && read.Kind == WarpFrameKind.Hello)
            Invariant.Holds(WarpFrame.Hello(read.Text).AsSpan().SequenceEqual(input[..read.Length]), "a hello is written as it was read");
        CheckLegacy(input, trace);
    }

    private static void CheckLegacy(ReadOnlySpan<byte> input, Trace trace)
    {
        Span<byte> padded = stackalloc byte[LegacyCallHeader.Length];
        padded.Clear();
        input[..Math.Min(input.Length, padded.Length)].CopyTo(padded);
        WarpParse parse = LegacyCallHeader.Parse(padded, out WarpTarget? target);
        trace.Note(3, (int)parse);
        Invariant.Equal(parse == WarpParse.Complete, target is not null, "a target comes with a verdict");
        if (target is null)
            return;
        Invariant.Equal(
            WarpParse.Complete, LegacyCallHeader.Parse(LegacyCallHeader.Write("1-2", target), out WarpTarget? again), "what was read can be written");
        Invariant.Equal(target, again, "and is the same");
    }
}
