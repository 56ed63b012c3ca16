using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// Timestamps over clocks that jump and processes that end, cleanly or not: they always grow, never beyond what is on disk, stay with a
/// clock that goes forward, and touch the disk about once a minute. Peers may see the same timestamp, but none sees one twice.
/// </summary>
public sealed class TimestampSourceTarget : Target
{
    private const int Peers = 3;
    private const int Granularity = 1 << 24;

    private static readonly long[] Steps = [0, 1, 100, 10_000_000, 600_000_000, 36_000_000_000, 315_360_000_000_000];

    public override string Name => "timestamp-source";

    public override int ShortRun => 20_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        var clock = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        Tai64N disk = default, latest = default;
        var seen = new Tai64N[Peers]; // by a peer, ever
        var previous = new Tai64N[Peers]; // as far as this process knows
        TimestampSource source = Start();
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            int peer = (operation >> 3) % Peers;
            trace.Note(operation % 8);
            switch (operation % 8)
            {
                case 0:
                    source.Release(); // a clean end
                    Invariant.Holds(latest <= disk, "what is given back leaves on disk what was used");
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
                case 4:
                    previous[peer] = source.Latest; // removed and added again
                    break;
                default:
                    Tai64N before = disk, highest = source.Latest;
                    Tai64N next = source.Next(clock, previous[peer]);
                    trace.Note(8, disk == before ? 0 : 1);
                    Invariant.Holds(disk == before || next > before, "the disk is left alone while the reservation lasts");
                    Invariant.Holds(next > seen[peer], "the timestamps that a peer sees grow");
                    Invariant.Holds(next <= disk, "nothing is used before it is on disk");
                    Invariant.Holds(next.Nanoseconds < 1_000_000_000, "a timestamp's nanoseconds are less than a second");
                    Invariant.Equal(0u, next.Nanoseconds & (Granularity - 1), "a timestamp tells no more than 17 ms");
                    Int128 now = Nanoseconds(Tai64N.From(clock));
                    Invariant.Holds(Nanoseconds(next) > now - Granularity, "a timestamp does not lag behind the clock");
                    Int128 bound = Int128.Max(now, Nanoseconds(highest) + (previous[peer] == highest ? 2 * Granularity : 0));
                    Invariant.Holds(Nanoseconds(next) <= bound, "timestamps are ahead of the clock only as far as they must be");
                    Invariant.Equal(next, source.Latest, "the latest timestamp is known");
                    seen[peer] = previous[peer] = latest = next;
                    break;
            }
        }

        TimestampSource Start()
        {
            var started = new TimestampSource(disk, reserved => disk = reserved);
            Array.Fill(previous, started.Latest);
            return started;
        }
    }

    private static Int128 Nanoseconds(Tai64N label) => (Int128)label.Seconds * 1_000_000_000 + label.Nanoseconds;
}
