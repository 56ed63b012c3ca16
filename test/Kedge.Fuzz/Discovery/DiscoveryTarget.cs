using Kedge.Protocol;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.Discovery;

/// <summary>
/// Nodes that find each other, while what they say is lost, said again, changed, mixed up or invented by one of them: nothing is believed that was
/// not signed, nobody is found who does not have the address, nothing is due without end, and what is kept and said is bounded.
/// </summary>
public sealed class DiscoveryTarget : Target
{
    private const int Parties = 4;

    public override string Name => "discovery";

    public override int MaximumLength => 300;

    public override int ShortRun => 500;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        [[0, 0, 1, 0], [0, 1, 2, 0], [0, 2, 3, 0], [1, 0, 0, 0], [1, 1, 0, 0], [3, 13, 0, 0], [3, 255, 1, 0], [6, 0, 3, 0], [8, 1, 0, 0]];

    /// <summary>The input is a row of steps: what happens, to which node or frame, and how.</summary>
    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        var random = new Random(1);
        HashSet<string> signed = [];
        var now = new Instant(TimeSpan.TicksPerMinute);
        DiscoveryParty[] parties = [.. Enumerable.Range(0, Parties).Select(i => new DiscoveryParty(i, now, random, signed))];
        List<(int From, int To, byte[] Frame)> sent = [];
        Collect();
        while (!reader.IsEmpty)
        {
            int kind = reader.Pick(9), which = reader.Byte(), how = reader.Byte(), bits = reader.Byte();
            trace.Note(kind, sent.Count > 0 ? sent[^1].Frame[1] : 0);
            (int a, int b) = (which % Parties, how % Parties);
            switch (kind)
            {
                case 0 when a != b && !parties[a].Connected.Contains(b):
                    Connect(a, b);
                    Connect(b, a);
                    break;
                case 1 when sent.Count > 0: // a frame arrives
                    (int from, int to, byte[] frame) = sent[^(1 + (which % sent.Count))];
                    parties[to].Protocol.Receive(now, parties[from].PublicKey, frame);
                    break;
                case 2 when sent.Count > 0: // a frame arrives that its sender has made differently
                    (int liar, int victim, byte[] original) = sent[^(1 + (which % sent.Count))];
                    byte[] changed = [.. original];
                    changed[changed.Length > 8 ? 8 + (how * 5 % (changed.Length - 8)) : 1] ^= (byte)bits;
                    parties[victim].Protocol.Receive(now, parties[liar].PublicKey, changed);
                    break;
                case 3:
                    now += TimeSpan.FromMilliseconds(which * (how % 2 == 0 ? 20 : 2000));
                    break;
                case 4: // somebody invents a frame, as an answer to what it was asked
                    int length = 8 + bits;
                    byte[] invented = new byte[length];
                    reader.Fill(invented.AsSpan(8, Math.Min(bits, 24)));
                    (invented[0], invented[1], invented[2], invented[3]) = (DiscoveryFrame.Type, (byte)(1 + (which % 15)), (byte)length, (byte)(length >> 8));
                    if (sent.FindLast(one => one.To == b) is { Frame: not null } last)
                        last.Frame.AsSpan(4, 4).CopyTo(invented.AsSpan(4));
                    parties[a].Protocol.Receive(now, parties[b].PublicKey, invented);
                    break;
                case 5:
                    Disconnect(a, b);
                    Disconnect(b, a);
                    break;
                case 6:
                    parties[a].Protocol.LookUp(now, IpAddress.IPv4(0x0A000000 + (uint)(how % 6)));
                    break;
                case 7:
                    var place = new Endpoint(IpAddress.IPv4(0xCB007200 + (uint)how), 7891);
                    parties[a].Protocol.SetEndpoints(now, [new PeerEndpoint(place, (PeerEndpointKind)(bits % 4))]);
                    break;
                case 8:
                    parties[a].Revoke(now);
                    break;
            }
            Collect();
        }

        void Connect(int one, int other)
        {
            parties[one].Connected.Add(other);
            parties[one].Protocol.PeerConnected(now, parties[other].Certificate);
        }

        void Disconnect(int one, int other)
        {
            if (parties[one].Connected.Remove(other))
                parties[one].Protocol.PeerGone(now, parties[other].PublicKey);
        }

        void Collect()
        {
            foreach ((int i, DiscoveryParty party) in parties.Index())
            {
                foreach ((PublicKey to, byte[] frame) in party.Take(now))
                {
                    int receiver = Array.FindIndex(parties, other => other.PublicKey == to);
                    Invariant.Holds(receiver >= 0, "frames go to peers");
                    if (sent.Count < 400)
                        sent.Add((i, receiver, frame));
                }
                Invariant.Holds(party.Protocol.Known <= Parties, "nobody is invented");
            }
        }
    }
}
