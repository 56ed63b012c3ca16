using Kedge.SystemTests.Control;
using Kedge.SystemTests.Topologies;
using Xunit.Runner.InProc.SystemConsole;

// Collections wait for their turn on threads of the pool, which tests that block take from it: with few threads left, those that were to
// begin first come last.
ThreadPool.SetMinThreads(64, 64);

return args switch
{
    [TopologyOwner.Mode] => TopologyOwner.Run(),
    [StoreWriter.Mode, var file] => StoreWriter.Run(file),
    _ => await ConsoleRunner.Run(args),
};
