using Kedge.SystemTests.Control;
using Kedge.SystemTests.Topologies;
using Xunit.Runner.InProc.SystemConsole;

// For the programs that the tests start, most of which live for less than a second: a tenth of what such a process costs is the runtime's
// mapping each page of code twice, so that none is writable and executable at once.
Environment.SetEnvironmentVariable("DOTNET_EnableWriteXorExecute", "0");

return args switch
{
    [TopologyOwner.Mode] => TopologyOwner.Run(),
    [StoreWriter.Mode, var file] => StoreWriter.Run(file),
    _ => await ConsoleRunner.Run(args),
};
