using Kedge.SystemTests.Control;
using Kedge.SystemTests.Topologies;
using Xunit.Runner.InProc.SystemConsole;

return args switch
{
    [TopologyOwner.Mode] => TopologyOwner.Run(),
    [StoreWriter.Mode, var file] => StoreWriter.Run(file),
    _ => await ConsoleRunner.Run(args),
};
