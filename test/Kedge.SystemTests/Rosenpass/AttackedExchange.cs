using System.Diagnostics;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// A <see cref="Tunnel"/> with a key exchange at both ends, and an attacker at another port of the first machine, 10.1.0.66 or any address
/// of 10.66.0.0/16, who knows that end's public key.
/// </summary>
public sealed class AttackedExchange : IDisposable
{
    private const int BurstSize = 64;

    private readonly UdpPort _attacker;
    private readonly PacketBuffer[] _burst = PacketBuffer.Allocate(BurstSize);

    public AttackedExchange()
    {
        Tunnel = Tunnel.Start(other: Implementation.Kedge);
        Host attacker = Tunnel.Net.AddHost("attacker");
        Tunnel.Handshake(); // before the exchanges, whose random keys at the beginning allow none
        Tunnel.Net.Connect(Tunnel.Kedge.Host, attacker, ["10.1.0.1/24"], ["10.1.0.66/24"]);
        attacker.Ip("route", "add", "local", "10.66.0.0/16", "dev", "lo");
        Tunnel.Kedge.Host.AddRoute("10.66.0.0/16", "10.1.0.66");
        _attacker = attacker.Namespace.Run(() =>
        {
            var port = new UdpPort();
            port.Open(0);
            return port;
        });
        (Here, There) = (new ExchangeEnd(Tunnel.Kedge), new ExchangeEnd(Tunnel.Other));
        Forged = new ForgedMessages(File.ReadAllBytes(Here.PublicKey));
    }

    internal Tunnel Tunnel { get; }

    /// <summary>The end that is attacked.</summary>
    internal ExchangeEnd Here { get; }

    internal ExchangeEnd There { get; }

    internal ForgedMessages Forged { get; }

    /// <summary>Waits until both ends have the same key, another than before, and returns it.</summary>
    internal string AwaitSameKey(string before)
    {
        string key = "";
        Wait.Until(
            () => (key = Here.PresharedKey) != before && key != "(none)" && key == There.PresharedKey,
            Timeouts.NoAnswer,
            "another preshared key, the same at both ends");
        return key;
    }

    /// <summary>Sends messages to the attacked end's exchange, in bursts.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="addresses">From how many addresses of 10.66.0.0/16, in turns.</param>
    /// <param name="perSecond">How many a second at most.</param>
    /// <returns>How many answers came back meanwhile.</returns>
    internal int Send(IEnumerable<byte[]> messages, int addresses, int perSecond)
    {
        Endpoint target = Endpoint.Parse($"10.1.0.1:{ExchangeEnd.Port}");
        long start = Stopwatch.GetTimestamp();
        int sent = 0, answers = 0;
        foreach (byte[][] burst in messages.Chunk(BurstSize))
        {
            TimeSpan due = TimeSpan.FromSeconds((double)sent / perSecond);
            Wait.Until(() => Stopwatch.GetElapsedTime(start) >= due, due + Timeouts.Soon, "the next burst's turn");
            for (int i = 0; i < burst.Length; i++)
            {
                PacketBuffer buffer = _burst[i];
                buffer.Reset();
                buffer.Length = burst[i].Length;
                burst[i].CopyTo(buffer.Packet);
                (buffer.Destination, buffer.Source) = (target, new Endpoint(IpAddress.IPv4(0x0A42_0001u + (uint)(sent++ % addresses)), 0));
            }
            _attacker.Send(_burst.AsSpan(0, burst.Length));
            answers += TakeAnswers();
        }
        return answers;
    }

    /// <summary>Takes what has come back to the attacker since the last time.</summary>
    /// <returns>How many datagrams.</returns>
    internal int TakeAnswers()
    {
        int answers = 0;
        for (int count; (count = _attacker.Receive(_burst)) > 0;)
            answers += count;
        return answers;
    }

    public void Dispose()
    {
        _attacker.Dispose();
        Tunnel.Dispose();
    }
}
