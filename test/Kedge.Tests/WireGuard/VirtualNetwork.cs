using Kedge.Protocol.Ip;

namespace Kedge.Tests.WireGuard;

/// <summary>How bad a network is.</summary>
/// <param name="Loss">The share of datagrams that do not arrive.</param>
/// <param name="Duplication">The share of datagrams that arrive twice.</param>
/// <param name="Delay">How long a datagram is under way at least.</param>
/// <param name="Jitter">How much longer it is at most; those that overtake each other arrive out of order.</param>
internal sealed record NetworkQuality(double Loss, double Duplication, TimeSpan Delay, TimeSpan Jitter)
{
    /// <summary>Everything arrives, once, in order, after 10 ms.</summary>
    public static NetworkQuality Good { get; } = new(0, 0, TimeSpan.FromMilliseconds(10), TimeSpan.Zero);
}

/// <summary>Carries datagrams from socket to socket, as well as its quality allows, past an eavesdropper.</summary>
internal sealed class VirtualNetwork(Timeline timeline, Random random)
{
    private readonly Dictionary<Endpoint, Node> _sockets = [];

    /// <summary>How bad it is; may change at any time.</summary>
    public NetworkQuality Quality { get; set; } = NetworkQuality.Good;

    /// <summary>Datagrams for which this is true never arrive.</summary>
    public Predicate<SeenDatagram> Loses { get; set; } = _ => false;

    /// <summary>Who sees what is sent.</summary>
    public Eavesdropper Eavesdropper { get; } = new();

    /// <summary>Gives a node's socket an address, and takes the one it had.</summary>
    public void Bind(Node node, Endpoint address)
    {
        if (!node.Address.IsNone)
            _sockets.Remove(node.Address);
        _sockets.Add(address, node);
    }

    /// <summary>Sends a datagram, which is copied. Anybody may claim any source.</summary>
    public void Send(ReadOnlySpan<byte> datagram, Endpoint source, Endpoint destination)
    {
        var sent = new SeenDatagram(timeline.Now, source, destination, datagram.ToArray());
        Eavesdropper.See(sent);
        if (Loses(sent) || random.NextDouble() < Quality.Loss)
            return;
        Carry(sent);
        if (random.NextDouble() < Quality.Duplication)
            Carry(sent);
    }

    private void Carry(SeenDatagram datagram) => timeline.After(Quality.Delay + (Quality.Jitter * random.NextDouble()), () =>
    {
        // Who is there when it arrives gets it. The receiver decrypts in place, so it gets a copy of its own.
        if (_sockets.TryGetValue(datagram.Destination, out Node? receiver))
            receiver.Receive([.. datagram.Bytes], datagram.Source);
    });
}
