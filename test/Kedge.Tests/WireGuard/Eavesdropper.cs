using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>A datagram as it was seen on the wire.</summary>
/// <param name="Time">When it was sent.</param>
/// <param name="Source">Where it came from.</param>
/// <param name="Destination">Where it was sent to.</param>
/// <param name="Bytes">What is in it.</param>
internal sealed record SeenDatagram(Instant Time, Endpoint Source, Endpoint Destination, byte[] Bytes)
{
    /// <summary>What it is, as far as anybody can tell.</summary>
    public DatagramKind Kind => Datagram.Classify(Bytes);

    /// <summary>Whether it is a keepalive: a transport message with nothing inside, as its length tells.</summary>
    public bool IsKeepalive => Kind == DatagramKind.TransportData && Bytes.Length == TransportData.Overhead;

    /// <summary>Whether it is a transport message with a packet inside.</summary>
    public bool IsData => Kind == DatagramKind.TransportData && !IsKeepalive;

    public override string ToString() =>
        $"{Time} {Source} > {Destination} {(IsKeepalive ? "Keepalive" : Kind)}, {Bytes.Length} bytes";
}

/// <summary>Sits on the wire, has no key, and remembers everything that was sent, whether it arrived or not.</summary>
internal sealed class Eavesdropper
{
    private readonly List<SeenDatagram> _seen = [];

    /// <summary>Whether it remembers; long runs turn it off.</summary>
    public bool IsListening { get; set; } = true;

    /// <summary>What was sent, in order.</summary>
    public IReadOnlyList<SeenDatagram> Seen => _seen;

    /// <summary>The initiations seen.</summary>
    public IEnumerable<SeenDatagram> Initiations => OfKind(DatagramKind.HandshakeInitiation);

    /// <summary>The responses seen.</summary>
    public IEnumerable<SeenDatagram> Responses => OfKind(DatagramKind.HandshakeResponse);

    /// <summary>The cookie replies seen.</summary>
    public IEnumerable<SeenDatagram> CookieReplies => OfKind(DatagramKind.CookieReply);

    /// <summary>The keepalives seen.</summary>
    public IEnumerable<SeenDatagram> Keepalives => _seen.Where(datagram => datagram.IsKeepalive);

    /// <summary>The transport messages seen that carry a packet.</summary>
    public IEnumerable<SeenDatagram> Data => _seen.Where(datagram => datagram.IsData);

    /// <summary>Forgets everything.</summary>
    public void Forget() => _seen.Clear();

    /// <summary>Takes note of a datagram.</summary>
    public void See(SeenDatagram datagram)
    {
        if (IsListening)
            _seen.Add(datagram);
    }

    private IEnumerable<SeenDatagram> OfKind(DatagramKind kind) => _seen.Where(datagram => datagram.Kind == kind);
}
