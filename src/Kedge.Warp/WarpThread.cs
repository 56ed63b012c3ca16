using Kedge.Linux.Quic;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp;

/// <summary>The thread that owns an end of a warp.</summary>
internal static class WarpThread
{
    /// <summary>Runs a loop on a thread of its own.</summary>
    /// <returns>Ends with the loop; fails with what has ended it, if that was a defect, which is logged.</returns>
    public static Task RunAsync(EventLoop loop, ILogger log) => DedicatedThread.RunAsync("warp", () =>
    {
        try
        {
            loop.Run();
        }
        catch (Exception exception)
        {
            Log.ThreadFailed(log, exception);
            throw;
        }
    });
}
