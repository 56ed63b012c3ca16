using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// A flood of handshake initiations from many addresses and ports, each with a valid first MAC, which takes no more than the victim's
/// public key, and with random bytes for the rest: the victim cannot tell it from an honest one before it has computed a Diffie-Hellman. It
/// comes in bursts, so that the victim's queue is filled however fast it is, and ends by itself. Whoever started it disposes it.
/// </summary>
internal sealed class InitiationFlood : IDisposable
{
    /// <summary>The addresses that the flood comes from.</summary>
    public const string Sources = "198.18.0.0/24";

    private const int Addresses = 200, Ports = 4, Batch = 50;
    private static readonly TimeSpan LongestDuration = TimeSpan.FromSeconds(60);

    private readonly Endpoint _target;
    private readonly byte[] _mac1Key = new byte[Blake2s.HashSize];
    private readonly int _burst;
    private readonly TimeSpan _pause;
    private readonly UdpPort[] _ports = [.. Enumerable.Range(0, Ports).Select(_ => new UdpPort())];
    private readonly PacketBuffer[] _buffers = PacketBuffer.Allocate(Batch);
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private int _nextSource;
    private long _sent;
    private long _cookieReplies;

    private InitiationFlood(Host from, PublicKey victim, Endpoint target, int burst, TimeSpan pause)
    {
        (_target, _burst, _pause) = (target, burst, pause);
        Span<byte> key = stackalloc byte[PublicKey.Size];
        victim.CopyTo(key);
        Blake2s.Hash("mac1----"u8, key, _mac1Key); // WireGuard paper, section 5.4.4

        // Every address of the prefix is the host's, so packets may be sent from it.
        from.Ip("route", "add", "local", Sources, "dev", "lo");
        from.Namespace.Run(() =>
        {
            foreach (UdpPort port in _ports)
                port.Open(0);
        });
        _thread = new Thread(Run) { IsBackground = true, Name = "flood" };
        _thread.Start();
    }

    /// <summary>Initiations sent so far.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Cookie replies that came back so far: what the victim answers when it is under load.</summary>
    public long CookieReplies => Interlocked.Read(ref _cookieReplies);

    /// <summary>Starts to send.</summary>
    /// <param name="from">The host that sends. The victim needs a route to <see cref="Sources"/> by way of it.</param>
    /// <param name="victim">The device that is flooded.</param>
    /// <param name="burst">Initiations a burst.</param>
    /// <param name="pause">The time from one burst to the next.</param>
    public static InitiationFlood Start(Host from, TunnelEnd victim, int burst, TimeSpan pause) =>
        new(from, PublicKey.FromBytes(Convert.FromBase64String(victim.Device.Keys.PublicKey)), Endpoint.Parse(victim.Endpoint), burst, pause);

    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        foreach (UdpPort port in _ports)
            port.Dispose();
        _stop.Dispose();
    }

    private void Run()
    {
        Instant end = BootClock.Now + LongestDuration;
        do
        {
            for (int sent = 0; sent < _burst; sent += Batch)
                SendBatch();
            CountReplies();
        }
        while (!_stop.Wait(_pause) && BootClock.Now < end);
    }

    private void SendBatch()
    {
        foreach (PacketBuffer buffer in _buffers)
        {
            buffer.Reset();
            buffer.Length = HandshakeInitiation.Size;
            Span<byte> message = buffer.Packet;
            RandomNumberGenerator.Fill(message[..^16]);
            message[..4].Clear();
            message[0] = (byte)MessageType.Initiation;
            Blake2s.Mac(_mac1Key, message[..^32], message[^32..^16]);
            message[^16..].Clear();
            buffer.Destination = _target;
            // 198.18.0.1 and following.
            buffer.Source = new Endpoint(IpAddress.IPv4(0xC6120001u + (uint)(_nextSource++ % Addresses)), 0);
        }
        Interlocked.Add(ref _sent, _ports[_nextSource / Batch % Ports].Send(_buffers));
    }

    private void CountReplies()
    {
        foreach (UdpPort port in _ports)
        {
            int received;
            while ((received = port.Receive(_buffers)) > 0)
                Interlocked.Add(ref _cookieReplies, _buffers.Take(received).Count(buffer => Datagram.Classify(buffer.Packet) == DatagramKind.CookieReply));
        }
    }
}
