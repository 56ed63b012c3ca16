using System.Security.Cryptography;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Discovery.Simulation;

namespace Kedge.Tests.Discovery;

/// <summary>A member of the network that says whatever it likes.</summary>
public sealed class HostilePeerTests : IDisposable
{
    private readonly SimulatedNetwork _network = new(11) { Jitter = TimeSpan.Zero };
    private readonly SimulatedNode _victim;
    private readonly SimulatedNode _hostile;
    private readonly List<byte[]> _heard = []; // what the victim sends to the hostile node

    public HostilePeerTests()
    {
        _network.Add(3);
        (_victim, _hostile) = (_network.Nodes[0], _network.Nodes[1]);
        _hostile.Sends = (_, _) => false;
        _victim.Sends = (to, frame) =>
        {
            if (to == _hostile.Key)
                _heard.Add(frame);
            return true;
        };
        _victim.Knock(_hostile);
        _network.Run(0.2);
    }

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_record_that_nobody_asked_for_is_not_taken()
    {
        Stranger other = MakeStranger(1);
        Say(DiscoveryFrameKind.Records, 0, Item(1, other.Certificate.Der.Span), Item(2, other.Record().Bytes.Span));

        Assert.Equal(2, _victim.Protocol.Known);
    }

    [Fact]
    public void What_is_asked_for_and_good_is_taken_and_a_forgery_is_not()
    {
        Stranger good = MakeStranger(1), forged = MakeStranger(2);
        NodeRecord record = forged.Record(signer: good.Key);
        AnswerDigest(good, forged);
        Say(DiscoveryFrameKind.Records, 0, Item(1, good.Certificate.Der.Span), Item(2, good.Record().Bytes.Span));
        Say(DiscoveryFrameKind.Records, 0, Item(1, forged.Certificate.Der.Span), Item(2, record.Bytes.Span));

        Assert.Contains(good.Certificate.Name, Anchors());
        Assert.DoesNotContain(forged.Certificate.Name, Anchors());
    }

    [Theory]
    [InlineData(-60)]
    [InlineData(60)]
    public void Records_of_another_time_are_not_taken(int minutes)
    {
        Stranger other = MakeStranger(1);
        AnswerDigest(other);
        Say(DiscoveryFrameKind.Records, 0, Item(1, other.Certificate.Der.Span), Item(2, other.Record(minutes).Bytes.Span));

        Assert.DoesNotContain(other.Certificate.Name, Anchors());
    }

    [Fact]
    public void An_older_record_does_not_take_the_place_of_a_newer_one()
    {
        NodeRecord older = _hostile.Protocol.Record!;
        _network.Run(1);
        _hostile.Move(0);
        _network.Run(1);
        NodeRecord newer = _hostile.Protocol.Record!;
        Say(DiscoveryFrameKind.Records, 0, Item(2, newer.Bytes.Span));
        Say(DiscoveryFrameKind.Records, 0, Item(2, older.Bytes.Span));

        Assert.True(newer.Sequence > older.Sequence);
        EndpointsTold told = _victim.Outcomes.OfType<EndpointsTold>().Last();
        Assert.Equal(newer.Sequence, told.Record!.Sequence);
    }

    [Fact]
    public void After_eight_forgeries_nothing_of_a_peer_is_taken_any_more()
    {
        byte[] forged = _hostile.Protocol.Record!.Bytes.ToArray();
        forged[4] ^= 0xFF; // the sequence: a newer one
        for (int i = 0; i < 8; i++)
            Say(DiscoveryFrameKind.Records, 0, Item(2, forged));
        long dropped = _victim.Protocol.Dropped;
        Say(DiscoveryFrameKind.Digest, 1, new byte[8]);

        Assert.Equal(dropped + 1, _victim.Protocol.Dropped);
    }

    [Fact]
    public void A_flood_is_dropped_but_for_what_a_peer_may_send()
    {
        long dropped = _victim.Protocol.Dropped;
        _heard.Clear();
        for (int i = 0; i < 10_000; i++)
            Say(DiscoveryFrameKind.Digest, (uint)i, new byte[8]);

        Assert.InRange(_victim.Protocol.Dropped - dropped, 9_790, 9_810);
        Assert.InRange(_heard.Count, 100, 210);
    }

    [Fact]
    public void Look_ups_of_one_peer_make_others_ask_on_for_it_only_so_often()
    {
        _network.Add(6);
        foreach (SimulatedNode node in _network.Nodes.Skip(3))
            node.Knock(_victim);
        _network.Run(5);
        long before = _victim.Protocol.LookupsPassedOn;
        for (int i = 0; i < 200; i++)
            Say(DiscoveryFrameKind.Lookup, (uint)i + 1, new LookupFrame((ulong)i, 3, IpAddress.IPv4(0x0A630000 + (uint)i)).ToFrame((uint)i + 1, null)[8..]);

        Assert.InRange(_victim.Protocol.LookupsPassedOn - before, 3, 64 * 3);
    }

    [Fact]
    public void An_answer_with_a_node_that_does_not_have_the_address_is_none()
    {
        Stranger other = MakeStranger(1);
        _heard.Clear();
        IpAddress sought = IpAddress.Parse("10.64.9.9");
        _victim.LookUp(sought);
        _network.Run(0.1);
        byte[] question = _heard.First(frame => frame[1] == (byte)DiscoveryFrameKind.Lookup);
        ulong number = BitConverter.ToUInt64(question, 8);
        var member = new Member(other.Certificate) { Record = other.Record() };
        _victim.Receive(_hostile.Key, new LookupFrame(number, 0, sought).ToAnswer(BitConverter.ToUInt32(question, 4), member));
        _network.Run(5);

        Assert.Empty(_victim.Outcomes.OfType<MemberFound>());
        Assert.Single(_victim.Outcomes.OfType<MemberNotFound>());
    }

    [Fact]
    public void An_answer_from_somebody_who_was_not_asked_is_none()
    {
        Stranger other = MakeStranger(1);
        _victim.LookUp(other.Certificate.Addresses[0]);
        byte[] question = _heard.Last();
        var member = new Member(other.Certificate) { Record = other.Record() };
        byte[] answer = new LookupFrame(BitConverter.ToUInt64(question, 8), 0, other.Certificate.Addresses[0])
            .ToAnswer(BitConverter.ToUInt32(question, 4) + 1, member);
        _victim.Receive(_hostile.Key, answer);

        Assert.Empty(_victim.Outcomes.OfType<MemberFound>());
    }

    [Fact]
    public void A_higher_sequence_of_ones_own_is_believed_only_if_it_could_be()
    {
        long sequence = _victim.Protocol.Record!.Sequence;
        Say(DiscoveryFrameKind.Digest, 1, Digest(_victim.Id, sequence + 3_600_000));
        _network.Run(20);
        Assert.Equal(sequence, _victim.Protocol.Record!.Sequence);

        Say(DiscoveryFrameKind.Digest, 2, Digest(_victim.Id, sequence + 60_000));
        _network.Run(20);
        Assert.Equal(sequence + 60_001, _victim.Protocol.Record!.Sequence);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData((1u << 20) + 1)]
    [InlineData(uint.MaxValue)]
    public void A_list_of_a_size_that_cannot_be_is_not_fetched(uint total)
    {
        TellOfList(number: 5);
        byte[] question = _heard.Last(frame => frame[1] == (byte)DiscoveryFrameKind.Get);
        Say(DiscoveryFrameKind.Part, BitConverter.ToUInt32(question, 4), Part(total, 0, 1, new byte[Transfers.PartSize]));
        _heard.Clear();
        _network.Run(10);

        Assert.DoesNotContain(_heard, frame => frame[1] == (byte)DiscoveryFrameKind.Get);
    }

    [Fact]
    public void Parts_that_are_not_what_was_asked_for_end_it_and_a_forged_list_is_not_applied()
    {
        TellOfList(number: 5);
        byte[] list = RandomNumberGenerator.GetBytes(3000);
        ulong version = BitConverter.ToUInt64(SHA256.HashData(list));
        byte[] question = _heard.Last(frame => frame[1] == (byte)DiscoveryFrameKind.Get);
        Say(DiscoveryFrameKind.Part, BitConverter.ToUInt32(question, 4), Part(3000, 0, version, list.AsSpan(0, Transfers.PartSize)));
        byte[][] further = [.. _heard.Where(frame => frame[1] == (byte)DiscoveryFrameKind.Get).Skip(1)];
        Assert.Equal(2, further.Length);
        foreach (byte[] next in further)
        {
            int offset = BitConverter.ToInt32(next, 8 + 1 + 20);
            Say(
                DiscoveryFrameKind.Part, BitConverter.ToUInt32(next, 4),
                Part(3000, (uint)offset, version, list.AsSpan(offset, Math.Min(Transfers.PartSize, 3000 - offset))));
        }
        Assert.Empty(_victim.Outcomes.OfType<TrustChanged>());

        _heard.Clear();
        TellOfList(number: 6);
        question = _heard.Last(frame => frame[1] == (byte)DiscoveryFrameKind.Get);
        Say(DiscoveryFrameKind.Part, BitConverter.ToUInt32(question, 4), Part(3000, 1, version, list.AsSpan(0, Transfers.PartSize)));
        _heard.Clear();
        _network.Run(10);
        Assert.DoesNotContain(_heard, frame => frame[1] == (byte)DiscoveryFrameKind.Get);
    }

    [Fact]
    public void Frames_that_are_none_do_nothing()
    {
        var random = new Random(5);
        for (int i = 0; i < 2000; i++)
        {
            byte[] frame = new byte[random.Next(0, 300)];
            random.NextBytes(frame);
            if (frame.Length >= 8)
                (frame[0], frame[1], frame[2], frame[3]) = (4, (byte)random.Next(0, (int)DiscoveryFrameKind.Goodbye), (byte)frame.Length, (byte)(frame.Length >> 8));
            _victim.Receive(_hostile.Key, frame);
            _network.Run(0.02);
        }
        Assert.Empty(_victim.Outcomes.OfType<MemberFound>());
        Assert.Equal(2, _victim.Protocol.Known);
    }

    [Fact]
    public void Nobody_who_is_not_connected_is_listened_to()
    {
        long dropped = _victim.Protocol.Dropped;
        _victim.Receive(_network.Nodes[2].Key, Frame(DiscoveryFrameKind.Digest, 1, new byte[8]));
        Assert.Equal(dropped + 1, _victim.Protocol.Dropped);
    }

    private string[] Anchors() => [.. _victim.Protocol.Anchors.Select(anchor => anchor.Name)];

    private void Say(DiscoveryFrameKind kind, uint id, params byte[][] body) => _victim.Receive(_hostile.Key, Frame(kind, id, [.. body.SelectMany(part => part)]));

    private static byte[] Frame(DiscoveryFrameKind kind, uint id, byte[] body)
    {
        FrameWriter writer = FrameWriter.Begin(kind, id);
        writer.AddBytes(body);
        return writer.ToFrame();
    }

    private static byte[] Item(byte kind, ReadOnlySpan<byte> bytes) => [kind, (byte)bytes.Length, (byte)(bytes.Length >> 8), .. bytes];

    private static byte[] Digest(NodeId node, long sequence) => [.. new byte[8], .. BitConverter.GetBytes(node.Value), .. BitConverter.GetBytes(sequence)];

    private static byte[] Part(uint total, uint offset, ulong version, ReadOnlySpan<byte> bytes) =>
        [2, .. BitConverter.GetBytes(total), .. BitConverter.GetBytes(offset), .. BitConverter.GetBytes(version), .. bytes];

    // The hostile node lists nodes in a digest, and the victim asks for them.
    private void AnswerDigest(params Stranger[] strangers) => Say(
        DiscoveryFrameKind.Digest, 7,
        [new byte[8], .. strangers.Select(one => Digest(NodeId.Of(one.Certificate.WireGuardKey), one.Record().Sequence)[8..])]);

    private void TellOfList(long number) =>
        Say(DiscoveryFrameKind.Lists, 0, [1, .. Convert.FromHexString(_network.Master.Certificate.KeyIdentifier), .. BitConverter.GetBytes(number)]);

    private Stranger MakeStranger(int number)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] wireGuard = new byte[PublicKey.Size];
        wireGuard.AsSpan().Fill((byte)number);
        return new Stranger(_network, _network.Certify(1000 + number, PublicKey.FromBytes(wireGuard), key, [], []), key);
    }

    private sealed record Stranger(SimulatedNetwork Network, NodeCertificate Certificate, ECDsa Key)
    {
        public NodeRecord Record(int minutes = 0, ECDsa? signer = null) => NodeRecord.Create(
            Certificate, Network.Time.AddMinutes(minutes).ToUnixTimeMilliseconds(), NodeRecord.MaximumLifetime, NodeTraits.None,
            [new PeerEndpoint(Endpoint.Parse("192.0.2.77:7891"), PeerEndpointKind.Reflexive)], [],
            (hash, signature) => (signer ?? Key).SignHash(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
    }
}
