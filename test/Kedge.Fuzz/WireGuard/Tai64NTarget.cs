using System.Numerics;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// TAI64N labels: bytes round trip, labels sort as their bytes do, and a time of day becomes the label of its count of nanoseconds.
/// </summary>
public sealed class Tai64NTarget : Target
{
    private static readonly long LastTicks = DateTimeOffset.MaxValue.Ticks;

    public override string Name => "tai64n";

    public override int MaximumLength => 40;

    public override int ShortRun => 60_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        Span<byte> a = stackalloc byte[Tai64N.Size], b = stackalloc byte[Tai64N.Size], written = stackalloc byte[Tai64N.Size];
        reader.Fill(a);
        reader.Fill(b);
        Tai64N first = Tai64N.Read(a), second = Tai64N.Read(b);
        first.CopyTo(written);
        Invariant.Equal(Convert.ToHexString(a), Convert.ToHexString(written), "a label keeps its bytes");
        int order = Math.Sign(a.SequenceCompareTo(b));
        trace.Note(1, order);
        Invariant.Equal(order, Math.Sign(first.CompareTo(second)), "labels sort as their bytes do");
        Invariant.Holds((order < 0) == first < second && (order > 0) == first > second, "comparisons agree");
        Invariant.Holds((order <= 0) == first <= second && (order >= 0) == first >= second, "comparisons agree");
        Invariant.Equal(order == 0, first == second, "comparisons agree");

        long ticks = (long)(reader.Number(8) % (ulong)(LastTicks + 1));
        var label = Tai64N.From(new DateTimeOffset(ticks, TimeSpan.Zero));
        BigInteger expected = (((BigInteger)1 << 62) + 10) * 1_000_000_000 + ((BigInteger)ticks - DateTimeOffset.UnixEpoch.Ticks) * 100;
        trace.Note(2, ticks.CompareTo(DateTimeOffset.UnixEpoch.Ticks));
        Invariant.Equal(expected, (BigInteger)label.Seconds * 1_000_000_000 + label.Nanoseconds, "a label counts nanoseconds");
        Invariant.Holds(label.Nanoseconds < 1_000_000_000, "a label's nanoseconds are less than a second");
    }
}
