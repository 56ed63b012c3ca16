using System.Net.Sockets;
using System.Threading.Channels;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Follows what happens in the node process: to whom it wants to be introduced, which the controller is asked for, and where it is seen from
/// now, which the others are told at once.
/// </summary>
/// <param name="zone">The zone.</param>
/// <param name="process">The node process.</param>
/// <param name="log">Receives introductions that were refused.</param>
internal sealed class DeviceWatch(LinkedZone zone, NodeProcess process, ILogger log) : IDisposable
{
    private const int MostWishes = 64; // that wait; older ones are of no more use
    private const int IntroductionsAtOnce = 8;

    private static readonly TimeSpan AgainAfter = TimeSpan.FromMilliseconds(200);

    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly Channel<IntroductionWanted> _wishes = Channel.CreateBounded<IntroductionWanted>(
        new BoundedChannelOptions(MostWishes) { FullMode = BoundedChannelFullMode.DropOldest });

    private HashSet<IpAddress> _addresses = [];
    private HashSet<Endpoint> _reflexive = [];

    /// <summary>
    /// Raised when an address of this machine is gone, or the ports that a NAT had for it, and with them perhaps the connections from there.
    /// </summary>
    public event Action? AddressLost;

    /// <summary>Raised when the node process wants an introduction, for which the controller is asked as soon as there is a connection.</summary>
    public event Action<IntroductionWanted>? Wished;

    /// <summary>What came of introductions.</summary>
    public IntroductionLog Introductions { get; } = new();

    /// <summary>Follows the node process until that ends.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        try
        {
            await foreach (DeviceEvent happened in process.WatchAsync(ending))
            {
                switch (happened)
                {
                    case DeviceChanged:
                        Look();
                        break;
                    case IntroductionWanted wish:
                        _wishes.Writer.TryWrite(wish);
                        Wished?.Invoke(wish);
                        break;
                    default:
                        zone.Take(happened);
                        break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // It does not run just now.
        }
        await Task.Delay(AgainAfter, ending);
    }

    /// <summary>Waits until something has changed that the controller may have to know, for some time at most.</summary>
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancellation) => _changed.WaitAsync(atMost, cancellation);

    /// <summary>Has the controller introduce this node to the peers that it wants to reach, as long as there is a connection.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="session">Ends with it.</param>
    public Task IntroduceAsync(ControllerClient client, CancellationToken session) => Parallel.ForEachAsync(
        _wishes.Reader.ReadAllAsync(session),
        new ParallelOptions { MaxDegreeOfParallelism = IntroductionsAtOnce, CancellationToken = session },
        async (wish, cancellation) =>
        {
            if (zone.IntroductionFor(wish) is not { } introduction)
                return;
            try
            {
                await client.IntroduceAsync(introduction, cancellation);
                Introductions.PassedOn(wish.Peer);
            }
            catch (ControllerException exception)
            {
                Introductions.Refused(wish.Peer, exception);
                if (exception.Status is null)
                    zone.IntroduceByPeers(wish);
                Log.NotIntroduced(log, exception.Message);
            }
        });

    /// <summary>Looks at once what has changed, and has the controller told. Any thread.</summary>
    public void Look()
    {
        zone.Tick();
        HashSet<IpAddress> addresses = [.. zone.MachineAddresses];
        HashSet<Endpoint> reflexive = [.. zone.Reflexive];
        bool isSeenElsewhere = _reflexive.Count > 0 && reflexive.Count > 0 && !reflexive.Overlaps(_reflexive);
        if (isSeenElsewhere || !addresses.IsSupersetOf(_addresses))
            AddressLost?.Invoke();
        _addresses = addresses;
        if (reflexive.Count > 0)
            _reflexive = reflexive;
        if (_changed.CurrentCount == 0)
            _changed.Release();
    }

    /// <inheritdoc/>
    public void Dispose() => _changed.Dispose();
}
