using System.Collections.Concurrent;
using Kedge.Control.Scheduling;
using Kedge.Protocol;

namespace Kedge.Control.Identity;

/// <summary>What a request of a node costs.</summary>
internal enum NodeWork
{
    /// <summary>A report on the node's state, which replaces the one before in memory.</summary>
    Report,

    /// <summary>A change of the store, such as another name, key or address: a line in the audit log, and a record that is sent to all nodes of the zone.</summary>
    Change,

    /// <summary>A map stream, which may begin with a whole map.</summary>
    Stream,

    /// <summary>An introduction, which is written to a peer's map stream and kept nowhere.</summary>
    Introduction,

    /// <summary>A stream of datagrams; what goes over it is counted apart.</summary>
    Datagrams,
}

/// <summary>
/// Limits what one node can cost the controller. A certificate says who a node is, not that it means well or that its program has no
/// defects. Beyond its rate a node is told when to ask again; whatever it says then is the latest. Any thread.
/// </summary>
internal sealed class NodeBudget(TimeProvider clock)
{
    /// <summary>How many characters of a node's reports on its map are kept in memory.</summary>
    public const int MostKept = 16 << 10;

    /// <summary>The rate of each kind of work. A node that works as it should needs a tenth of it.</summary>
    private static readonly Dictionary<NodeWork, Rate> Rates = new()
    {
        [NodeWork.Report] = new(60, TimeSpan.FromMilliseconds(250)),
        [NodeWork.Change] = new(10, TimeSpan.FromSeconds(30)),
        [NodeWork.Stream] = new(12, TimeSpan.FromSeconds(5)),
        [NodeWork.Datagrams] = new(12, TimeSpan.FromSeconds(5)),
        [NodeWork.Introduction] = new(100, TimeSpan.FromMilliseconds(50)),
    };

    private static readonly Rate LogLines = new(20, TimeSpan.FromSeconds(30));

    private readonly ConcurrentDictionary<Guid, Account> _accounts = new();
    private readonly long[] _refused = new long[Enum.GetValues<NodeWork>().Length];

    /// <summary>How many requests of a kind were refused in all.</summary>
    public long RefusedOf(NodeWork work) => Interlocked.Read(ref _refused[(int)work]);

    /// <summary>Counts a request of a node.</summary>
    /// <exception cref="Refusal">It is one too many: 429, with the time until the next is accepted.</exception>
    public void Spend(Guid node, NodeWork work)
    {
        Account account = Of(node);
        Instant now = clock.Now();
        TimeSpan wait;
        lock (account)
        {
            wait = account.Works[work].WaitFor(now, Rates[work]);
            if (wait == TimeSpan.Zero)
            {
                account.Works[work] = account.Works[work].Take(now, Rates[work]);
                return;
            }
        }
        Interlocked.Increment(ref _refused[(int)work]);
        throw Refusal.TooManyRequests(wait, $"Node {node} {WordsOf(work)} more often than any node needs to: try again in {Math.Ceiling(wait.TotalSeconds)} s.");
    }

    /// <summary>Whether a line about what a node says may be logged. Lines that may not are counted: see <see cref="TakeLeftOut"/>.</summary>
    public bool TryLog(Guid node)
    {
        Account account = Of(node);
        Instant now = clock.Now();
        lock (account)
        {
            if (account.Lines.WaitFor(now, LogLines) > TimeSpan.Zero)
            {
                account.LeftOut++;
                return false;
            }
            account.Lines = account.Lines.Take(now, LogLines);
            return true;
        }
    }

    /// <summary>The nodes whose lines were left out since the last call, and how many. Forgets nodes that have been quiet for a while.</summary>
    public IReadOnlyList<(Guid Node, long Lines)> TakeLeftOut()
    {
        List<(Guid, long)> leftOut = [];
        Instant now = clock.Now();
        foreach ((Guid node, Account account) in _accounts)
        {
            lock (account)
            {
                if (account.LeftOut > 0)
                    leftOut.Add((node, account.LeftOut));
                account.LeftOut = 0;
                if (account.IsFull(now))
                    _accounts.TryRemove(new(node, account));
            }
        }
        return leftOut;
    }

    private Account Of(Guid node) => _accounts.GetOrAdd(node, _ => new Account());

    private static string WordsOf(NodeWork work) => work switch
    {
        NodeWork.Report => "reports",
        NodeWork.Change => "asks for changes",
        NodeWork.Introduction => "asks for introductions",
        NodeWork.Datagrams => "opens streams of datagrams",
        _ => "opens map streams",
    };

    /// <summary>One node's. Guarded by itself.</summary>
    private sealed class Account
    {
        public Dictionary<NodeWork, TokenBucket> Works { get; } = Rates.Keys.ToDictionary(work => work, _ => default(TokenBucket));

        public TokenBucket Lines { get; set; }

        public long LeftOut { get; set; }

        public bool IsFull(Instant now) => Lines.IsFull(now, LogLines) && Works.All(one => one.Value.IsFull(now, Rates[one.Key]));
    }
}
