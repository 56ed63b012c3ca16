using Kedge.SystemTests.Control;
using Kedge.SystemTests.Topologies;
using Xunit.Runner.InProc.SystemConsole;

// For the programs that the tests start, a thousand that live for less than a second: 4 to 8 % of what such a process costs is that the
// runtime maps each page of code twice, so that none is writable and executable at once.
Environment.SetEnvironmentVariable("DOTNET_EnableWriteXorExecute", "0");

return args switch
{
    [TopologyOwner.Mode] => TopologyOwner.Run(),
    [StoreWriter.Mode, var file] => StoreWriter.Run(file),
    _ => await ConsoleRunner.Run(args),
};
