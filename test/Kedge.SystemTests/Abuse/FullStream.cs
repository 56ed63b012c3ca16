using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// A TCP connection that is always full: one thread sends bytes that are known in advance, another checks that just these arrive. Whoever
/// made it disposes it.
/// </summary>
internal sealed class FullStream : IDisposable
{
    /// <summary>Bytes that the receiving program takes at once at most.</summary>
    public const int Chunk = 256 << 10;

    // A prime: no packet's length divides it, so that what is missing, or there twice, is noticed.
    private const int Period = 1_000_003;
    private const ushort Port = 5999;

    private static readonly byte[] Known = MakeKnown();

    private readonly Socket _listener;
    private readonly Socket _sender;
    private readonly Socket _receiver;
    private readonly Thread _sending;
    private readonly Thread _checking;
    private readonly ManualResetEventSlim _reading = new(initialState: true);
    private volatile bool _ending;
    private volatile Exception? _failure;
    private long _sent;
    private long _received;

    /// <summary>Connects, and begins to send.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">The host that receives.</param>
    /// <param name="address">The receiving host's address.</param>
    public FullStream(Host from, Host to, string address)
    {
        var target = new IPEndPoint(IPAddress.Parse(address), Port);
        _listener = to.Namespace.Run(() => new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        _listener.Bind(target);
        _listener.Listen();
        _sender = from.Namespace.Run(() => new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        _sender.Connect(target);
        _receiver = _listener.Accept();
        _sending = new Thread(() => Guard(Send)) { IsBackground = true, Name = "stream sender" };
        _checking = new Thread(() => Guard(Check)) { IsBackground = true, Name = "stream receiver" };
        _sending.Start();
        _checking.Start();
    }

    /// <summary>Bytes that have arrived so far, as they were sent.</summary>
    public long Received => Volatile.Read(ref _received);

    /// <summary>Has the receiving program stand still.</summary>
    public void StopReading() => _reading.Reset();

    /// <summary>Has the receiving program go on.</summary>
    public void GoOnReading() => _reading.Set();

    /// <summary>Measures what arrives.</summary>
    /// <returns>Bytes a second.</returns>
    public double Measure(TimeSpan window)
    {
        (long before, long start) = (Received, Stopwatch.GetTimestamp());
        Assert.False(Wait.TryUntil(() => _failure is not null, window), $"{_failure}");
        return (Received - before) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Waits until another megabyte has arrived, which may take what a busy machine takes, but no timer of the protocol's.</summary>
    public void AwaitMore()
    {
        long enough = Received + (1 << 20);
        Wait.Until(() => Received >= enough, TimeSpan.FromSeconds(3), "more of the stream");
    }

    /// <summary>Waits until nothing more arrives.</summary>
    public void AwaitStandstill() =>
        Wait.Until(() => Measure(TimeSpan.FromMilliseconds(100)) < 1, TwoHosts.Patience, "the end of what is under way");

    /// <summary>Ends the connection as TCP does, and asserts that all has arrived, and nothing else.</summary>
    public void End()
    {
        GoOnReading();
        _ending = true;
        Assert.True(_sending.Join(TwoHosts.Patience) && _checking.Join(TwoHosts.Patience), $"stuck after {Received} of {_sent} bytes");
        Assert.Null(_failure);
        Assert.Equal(_sent, Received);
    }

    public void Dispose()
    {
        _ending = true;
        GoOnReading();
        _sender.Dispose();
        _receiver.Dispose();
        _listener.Dispose();
        _sending.Join();
        _checking.Join();
        _reading.Dispose();
    }

    private static byte[] MakeKnown()
    {
        var known = new byte[Period + Chunk];
        new Random(Period).NextBytes(known.AsSpan(0, Period));
        known.AsSpan(0, Chunk).CopyTo(known.AsSpan(Period));
        return known;
    }

    private void Send()
    {
        while (!_ending)
            _sent += _sender.Send(Known, (int)(_sent % Period), Chunk, SocketFlags.None);
        _sender.Shutdown(SocketShutdown.Send);
    }

    private void Check()
    {
        var buffer = new byte[Chunk];
        for (int count; (count = _receiver.Receive(buffer)) > 0; _reading.Wait())
        {
            if (!buffer.AsSpan(0, count).SequenceEqual(Known.AsSpan((int)(_received % Period), count)))
                throw new InvalidDataException($"Other bytes than were sent have arrived, behind the first {_received}.");
            Volatile.Write(ref _received, _received + count);
        }
    }

    private void Guard(Action run)
    {
        try
        {
            run();
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }
}
