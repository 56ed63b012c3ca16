using System.Collections.Concurrent;
using Kedge.Linux;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Threading;

namespace Kedge.Node.KeyExchange;

/// <summary>A job, and the way back to whom it is about.</summary>
/// <param name="Job">The job.</param>
/// <param name="Socket">Where the message came in that it is about; null where time asked for it.</param>
/// <param name="Local">The local address that the message came to.</param>
internal readonly record struct PendingJob(RosenpassJob Job, IDatagramSocket? Socket, Endpoint Local);

/// <summary>
/// Runs jobs on a thread of its own, one after the other. There is no bound here, because the exchange hands out no more than
/// <see cref="RosenpassLimits"/> allow, and one for each handshake of its own. Members are for the exchange's thread.
/// </summary>
internal sealed class JobWorker : IDisposable
{
    private readonly BlockingCollection<PendingJob> _waiting = [];
    private readonly ConcurrentQueue<PendingJob> _finished = new();
    private readonly Thread _thread;
    private readonly Action _wake;
    private volatile bool _stopping;

    /// <summary>A worker that does nothing before <see cref="Start"/>.</summary>
    /// <param name="wake">Called on the worker's thread whenever a job has been executed.</param>
    /// <param name="onFault">Receives what a job threw, which ends the thread.</param>
    public JobWorker(Action wake, Action<Exception> onFault)
    {
        _wake = wake;
        _thread = DedicatedThread.Create("key exchange jobs", Run, onFault);
    }

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Has a job executed.</summary>
    public void Add(PendingJob job) => _waiting.Add(job);

    /// <summary>Takes a job back that has been executed; false where there is none.</summary>
    public bool TryTake(out PendingJob job) => _finished.TryDequeue(out job);

    /// <summary>Ends the thread after the job that it is at, and disposes all jobs that were not taken back.</summary>
    public void Dispose()
    {
        _stopping = true;
        _waiting.CompleteAdding();
        if (_thread.IsAlive)
            _thread.Join();
        while (_waiting.TryTake(out PendingJob job) || _finished.TryDequeue(out job))
            job.Job.Dispose();
        _waiting.Dispose();
    }

    private void Run()
    {
        foreach (PendingJob job in _waiting.GetConsumingEnumerable())
        {
            if (!_stopping)
                job.Job.Execute();
            _finished.Enqueue(job);
            _wake();
        }
    }
}
