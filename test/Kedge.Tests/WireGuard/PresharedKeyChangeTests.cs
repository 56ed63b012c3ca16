using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// Preshared keys that change while a handshake is under way, as when a key exchange gives both ends their first ones: nobody waits
/// Rekey-Timeout, 5 s, for the next attempt.
/// </summary>
public class PresharedKeyChangeTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly byte[] Random = Key(1), OtherRandom = Key(2), Exchanged = Key(3);

    [Fact]
    public void An_initiator_begins_again_at_once_with_its_new_key()
    {
        using Pair pair = Differing();
        pair.B.TunnelTo(pair.A).PresharedKey = Exchanged;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(3 * RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);

        pair.A.TunnelTo(pair.B).PresharedKey = Exchanged;

        pair.RunUntil(() => pair.HaveSession, 3 * RoundTrip);
    }

    [Fact]
    public void A_responder_without_an_endpoint_of_its_own_initiates_at_once_with_its_new_key()
    {
        using Pair pair = Differing(endpointKnownToB: false);
        pair.A.TunnelTo(pair.B).PresharedKey = Exchanged;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(3 * RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);

        pair.B.TunnelTo(pair.A).PresharedKey = Exchanged;

        pair.RunUntil(() => pair.HaveSession, 3 * RoundTrip);
    }

    // The order and the distance in which a key exchange gives keys to its ends are not known.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(15)]
    [InlineData(25)]
    [InlineData(400)]
    public void With_waiting_packets_at_both_ends_the_tunnel_is_there_as_soon_as_both_have_the_key(int millisecondsBetween)
    {
        using Pair pair = Differing();
        pair.Every(TimeSpan.FromMilliseconds(30), 60, _ =>
        {
            Pair.Send(pair.A, pair.B);
            Pair.Send(pair.B, pair.A);
        });
        pair.Run(TimeSpan.FromMilliseconds(300));
        Assert.Empty(pair.A.Delivered.Concat(pair.B.Delivered));

        pair.A.TunnelTo(pair.B).PresharedKey = Exchanged;
        pair.Run(TimeSpan.FromMilliseconds(millisecondsBetween));
        pair.B.TunnelTo(pair.A).PresharedKey = Exchanged;

        pair.RunUntil(() => pair.A.Delivered.Count > 0 && pair.B.Delivered.Count > 0, 5 * RoundTrip);
    }

    [Fact]
    public void A_key_that_changes_while_the_tunnel_is_up_or_that_is_set_again_begins_no_handshake()
    {
        using Pair pair = Pair.InSession(presharedKey: Random);
        foreach (byte[] key in new[] { Exchanged, Exchanged })
        {
            pair.A.TunnelTo(pair.B).PresharedKey = key;
            pair.B.TunnelTo(pair.A).PresharedKey = key;
            pair.Run(pair.Timing.RekeyTimeout);
        }
        Assert.Empty(pair.Eavesdropper.Initiations);
    }

    /// <summary>Two nodes with a random key each, as before their first key exchange.</summary>
    private static Pair Differing(bool endpointKnownToB = true)
    {
        var pair = new Pair();
        pair.A.AddPeer(pair.B, presharedKey: Random);
        pair.B.AddPeer(pair.A, endpointKnownToB, presharedKey: OtherRandom);
        return pair;
    }

    private static byte[] Key(byte fill) => [.. Enumerable.Repeat(fill, 32)];
}
