using Kedge.SystemTests.Topologies;
using Xunit.Runner.InProc.SystemConsole;

return args is [TopologyOwner.Mode] ? TopologyOwner.Run() : await ConsoleRunner.Run(args);
