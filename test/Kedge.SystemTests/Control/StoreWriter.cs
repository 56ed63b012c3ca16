using Kedge.Control.Store;
using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Control;

/// <summary>A process that writes to a store from several sides, and tells what is acknowledged, until it is killed.</summary>
internal static class StoreWriter
{
    /// <summary>The argument before the store's file.</summary>
    public const string Mode = "--store-writer";

    private const int Sides = 8;

    public static int Run(string file)
    {
        SqliteStore store = SqliteStore.Open(file, TimeProvider.System, NullLogger.Instance);
        var actor = new Actor("writer", null);
        var writing = new Lock();
        Task.WhenAll(Enumerable.Range(0, Sides).Select(async _ =>
        {
            while (true)
            {
                string name = $"z{Guid.NewGuid():N}";
                Guid id = await store.WriteAsync(change => Zones.Create(change, actor, name, "", [IpPrefix.Parse("10.0.0.0/8")]));
                lock (writing)
                {
                    Console.Out.Write($"acknowledged {id} .\n");
                    Console.Out.Flush();
                }
            }
        })).GetAwaiter().GetResult();
        return 0;
    }
}
