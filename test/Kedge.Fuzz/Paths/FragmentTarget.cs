using Kedge.Protocol;
using Kedge.Protocol.Paths;

namespace Kedge.Fuzz.Paths;

/// <summary>
/// Halves of packets that come in any order, twice, late, from several senders, or are no halves at all: what comes out is made of the two
/// halves that were given last under one identifier, within a second, and each is used once.
/// </summary>
public sealed class FragmentTarget : Target
{
    private const int StepSize = 4;

    public override string Name => "fragments";

    public override int MaximumLength => 800;

    public override int ShortRun => 3_000;

    /// <summary>The input is a row of steps: what is given, by whom under which identifier, and how long after the last.</summary>
    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var buffer = new FragmentBuffer();
        object[] senders = [new(), new(), new(), new(), new()];
        var now = new Instant(TimeSpan.TicksPerMinute);
        Dictionary<(int Sender, uint Id), (bool IsSecond, byte[] Body, Instant Since)> given = [];
        byte[] packet = new byte[FragmentBuffer.MaximumLength];
        int lost = 0, waiting = 0;
        for (byte number = 0; input.Length >= StepSize; input = input[StepSize..], number++)
        {
            (int sender, uint id) = (input[1] % senders.Length, (uint)(input[1] / senders.Length));
            now += TimeSpan.FromMilliseconds(input[3] * (input[3] < 200 ? 0 : 4));
            bool isSecond = (input[0] & 1) != 0;
            byte[] body = [.. Enumerable.Repeat(number, 1 + input[2] * ((input[0] & 2) != 0 ? 8 : 1))];
            int length = 8 + body.Length;
            byte[] frame = [2, isSecond ? (byte)1 : (byte)0, (byte)length, (byte)(length >> 8), (byte)id, 0, 0, 0, .. body];
            bool isForged = input[0] >= 224;
            if (isForged)
                frame[input[2] % 4] ^= (byte)(input[3] | 1);
            bool isFrame = FragmentFrame.TryRead(frame, out uint read, out bool second, out ReadOnlySpan<byte> rest);
            FragmentOutcome outcome = buffer.Take(now, senders[sender], frame, 0, packet);
            trace.Note(Math.Sign(outcome.Length), Math.Min(outcome.Lost, 3));
            Invariant.Equal(!isFrame, outcome.IsMalformed, "what is no frame is refused");
            if (!isFrame)
                continue;
            lost += outcome.Lost;
            waiting += outcome.Length > 0 ? -1 : 1;
            bool isKnown = given.Remove((sender, read), out (bool IsSecond, byte[] Body, Instant Since) other);
            if (outcome.Length == 0)
            {
                given[(sender, read)] = (second, rest.ToArray(), now);
            }
            else
            {
                Invariant.Holds(isKnown && other.IsSecond != second, "a packet has two halves");
                Invariant.Holds(now - other.Since < FragmentBuffer.Patience, "a half does not wait for longer than it may");
                byte[] expected = second ? [.. other.Body, .. rest] : [.. rest, .. other.Body];
                Invariant.Equal(Convert.ToHexString(expected), Convert.ToHexString(packet, 0, outcome.Length), "a packet is its halves");
            }
            Invariant.Holds(waiting - lost is >= 0 and <= FragmentBuffer.Capacity, "what waits is bounded, what is given up counted");
        }
    }
}
