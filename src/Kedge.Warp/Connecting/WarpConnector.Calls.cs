using Kedge.Linux;
using Kedge.Linux.Quic;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Connecting;

/// <summary>Calls: each stream of the listener's names a target, and carries one TCP connection to it.</summary>
public sealed partial class WarpConnector
{
    private const int MostResolutions = 64;

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(10);
    private static readonly Rate LogRate = new(20, TimeSpan.FromSeconds(3));

    private TokenBucket _logged;
    private int _resolutions;

    /// <inheritdoc/>
    public void OnStream(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Tag = new Call(stream.Connection.Protocol == WarpProtocol.Legacy);
    }

    /// <inheritdoc/>
    public void OnReceived(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream == _registration)
            ReceiveRegistration(stream);
        else if (stream.Tag is Call { HasTarget: false } call)
            ReceiveHeader(call, stream);
    }

    /// <inheritdoc/>
    public void OnStreamEnded(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Tag is Call call)
            call.IsOver = true;
        if (stream.Tag is Call { Attempt: { } attempt })
            attempt.Dispose();
    }

    private void ReceiveHeader(Call call, QuicStream stream)
    {
        WarpTarget? target = null;
        WarpParse parse;
        int length = LegacyCallHeader.Length;
        if (call.IsLegacy)
        {
            parse = LegacyCallHeader.Parse(stream.Received, out target);
        }
        else
        {
            parse = CallHeader.Parse(stream.Received, out CallHeader header);
            (target, length) = (header.Target, header.Length);
        }
        if (parse == WarpParse.Incomplete && !stream.HasPeerEnded)
            return;
        call.HasTarget = true;
        if (parse != WarpParse.Complete)
        {
            stream.Abort(QuicStream.Reset);
            return;
        }
        stream.Consume(length);
        if (target!.Address is { IsNone: false } address)
        {
            Connect(call, stream, target, [address.Unmapped()]);
            return;
        }
        if (_resolutions >= MostResolutions)
        {
            Refuse(call, stream, target, CallOutcome.Failed, "too many names are being resolved already");
            return;
        }
        _resolutions++;
        _ = Task.Run(async () =>
        {
            IpAddress[] addresses = [];
            try
            {
                addresses = await ResolveAsync(target.Host);
            }
            catch (Exception e) when (IsUnresolved(e))
            {
                // Told below, as any name without an address is.
            }
            _loop.Post(() =>
            {
                _resolutions--;
                if (addresses.Length == 0)
                    Refuse(call, stream, target, CallOutcome.NameUnknown, "the name has no address");
                else
                    Connect(call, stream, target, addresses);
            });
        });
    }

    private void Connect(Call call, QuicStream stream, WarpTarget target, IpAddress[] addresses)
    {
        IpAddress[] allowed = [.. addresses.Where(address => _settings.Targets.Allow(target, address))];
        if (allowed.Length == 0)
            Refuse(call, stream, target, CallOutcome.NotAllowed, "it is not among the targets that this connector allows (--allow)");
        else
            Connect(call, stream, target, allowed, 0);
    }

    private void Connect(Call call, QuicStream stream, WarpTarget target, IpAddress[] addresses, int index)
    {
        if (call.IsOver)
            return;
        bool isDone = false;
        TcpConnection attempt = TcpConnection.Connect(_loop, new Endpoint(addresses[index], target.Port), (tcp, error) => Finish(tcp, error));
        if (isDone)
            return;
        call.Attempt = attempt;
        _loop.After(ConnectTime, () =>
        {
            if (isDone || call.IsOver)
                return;
            attempt.Dispose();
            Finish(attempt, Errno.ETIMEDOUT);
        });

        void Finish(TcpConnection tcp, int error)
        {
            isDone = true;
            call.Attempt = null;
            if (error == 0)
                Succeed(call, stream, tcp);
            else if (index + 1 < addresses.Length)
                Connect(call, stream, target, addresses, index + 1);
            else
                Refuse(call, stream, target, OutcomeOf(error), Describe(OutcomeOf(error)));
        }
    }

    private static void Succeed(Call call, QuicStream stream, TcpConnection tcp)
    {
        if (call.IsOver)
        {
            tcp.Reset();
            return;
        }
        if (!call.IsLegacy)
            stream.Write([(byte)CallOutcome.Connected]);
        stream.Join(tcp);
    }

    /// <summary>Tells the listener, which resets the caller, and the stream after that.</summary>
    private void Refuse(Call call, QuicStream stream, WarpTarget target, CallOutcome outcome, string reason)
    {
        if (call.IsOver)
            return;
        if (TokenBucket.TryTake(ref _logged, BootClock.Now, LogRate))
            Log.TargetRefused(_log, target, reason);
        if (call.IsLegacy)
        {
            stream.Abort(QuicStream.Reset);
            return;
        }
        stream.Write([(byte)outcome]);
        stream.Finish();
    }

    private static CallOutcome OutcomeOf(int error) => error switch
    {
        Errno.ECONNREFUSED => CallOutcome.Refused,
        Errno.ETIMEDOUT => CallOutcome.TimedOut,
        Errno.ENETUNREACH or Errno.EHOSTUNREACH or Errno.ENETDOWN or Errno.EADDRNOTAVAIL or Errno.EAFNOSUPPORT => CallOutcome.Unreachable,
        _ => CallOutcome.Failed,
    };

    private static string Describe(CallOutcome outcome) => outcome switch
    {
        CallOutcome.Refused => "nobody listens there",
        CallOutcome.TimedOut => "it does not answer",
        CallOutcome.Unreachable => "there is no route to it",
        _ => "no connection could be made",
    };

    /// <summary>A call, as the tag of its stream.</summary>
    private sealed class Call(bool isLegacy)
    {
        public bool IsLegacy => isLegacy;

        public bool HasTarget { get; set; }

        public bool IsOver { get; set; }

        public TcpConnection? Attempt { get; set; }
    }
}
