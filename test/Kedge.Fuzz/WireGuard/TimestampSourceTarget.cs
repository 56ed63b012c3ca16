using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// Timestamps over clocks that jump and processes that end, cleanly or not: they always grow, never beyond what is on disk, stay with a
/// clock that goes forward, and touch the disk about once a minute.
/// </summary>
public sealed class TimestampSourceTarget : Target
{
    private static readonly long[] Steps = [0, 1, 100, 10_000_000, 600_000_000, 36_000_000_000, 315_360_000_000_000];

    public override string Name => "timestamp-source";

    public override int ShortRun => 20_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        var clock = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        Tai64N disk = default, last = default;
        TimestampSource source = Start();
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            trace.Note(operation % 8);
            switch (operation % 8)
            {
                case 0:
                    source.Release(); // a clean end
                    Invariant.Holds(last <= disk, "what is given back leaves on disk what was used");
                    source = Start();
                    break;
                case 1:
                    source = Start(); // a crash
                    break;
                case 2:
                    clock += TimeSpan.FromTicks(reader.Pick(Steps));
                    break;
                case 3:
                    clock -= TimeSpan.FromTicks(reader.Pick(Steps));
                    break;
                default:
                    Tai64N before = disk;
                    Tai64N next = source.Next(clock, source.Latest);
                    trace.Note(8, disk == before ? 0 : 1);
                    Invariant.Holds(disk == before || next > before, "the disk is left alone while the reservation lasts");
                    Invariant.Holds(next > last, "timestamps grow");
                    Invariant.Holds(next <= disk, "nothing is used before it is on disk");
                    Invariant.Holds(next.Nanoseconds < 1_000_000_000, "a timestamp's nanoseconds are less than a second");
                    var now = Tai64N.From(clock);
                    Invariant.Holds(Nanoseconds(next) > Nanoseconds(now) - (1 << 24), "a timestamp does not lag behind the clock");
                    Invariant.Equal(0u, next.Nanoseconds & ((1 << 24) - 1), "a timestamp tells no more than 17 ms");
                    last = next;
                    break;
            }
        }

        TimestampSource Start() => new(disk, reserved => disk = reserved);
    }

    private static Int128 Nanoseconds(Tai64N label) => (Int128)label.Seconds * 1_000_000_000 + label.Nanoseconds;
}
