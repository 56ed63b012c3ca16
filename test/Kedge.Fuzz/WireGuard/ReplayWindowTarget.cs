using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>The replay window, against a set of all counters that were ever accepted.</summary>
public sealed class ReplayWindowTarget : Target
{
    private static readonly ulong[] Distances = [1, 2, 63, 64, 65, 127, 128, 8063, 8064, 8127, 8128, 8129, 8191, 8192, 8193, 16384, 1UL << 32, 1UL << 63];

    public override string Name => "replay-window";

    public override int ShortRun => 15_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        ulong limit = reader.Pick([ReplayWindow.RejectAfterMessages, 0UL, 1UL, 64UL, 100_000UL, ulong.MaxValue]);
        var window = new ReplayWindow(limit);
        HashSet<ulong> accepted = [];
        ulong newest = 0, counter = 0;
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            switch (operation % 8)
            {
                case 0:
                    counter = reader.Number(8);
                    break;
                case 1:
                    counter = newest + reader.Pick(Distances);
                    break;
                case 2:
                    counter = newest - reader.Pick(Distances);
                    break;
                case 3:
                    counter = newest - reader.Number(2);
                    break;
                case 4:
                    counter = limit - reader.Byte();
                    break;
                case 5 when (operation & 0x80) != 0:
                    window.Clear();
                    accepted.Clear();
                    newest = 0;
                    continue;
                case 5 or 6:
                    counter++;
                    break;
                default:
                    break; // the same once more
            }
            bool expected = counter < limit && (counter >= newest || newest - counter <= 8128) && !accepted.Contains(counter);
            bool actual = window.TryAccept(counter);
            trace.Note(1, (actual ? 1 : 0) | (counter > newest ? 2 : 0) | (accepted.Contains(counter) ? 4 : 0) | (counter >= limit ? 8 : 0));
            Invariant.Equal(expected, actual, "a counter is accepted once, unless it is too old or beyond the limit");
            if (!actual)
                continue;
            accepted.Add(counter);
            newest = Math.Max(newest, counter);
        }
    }
}
