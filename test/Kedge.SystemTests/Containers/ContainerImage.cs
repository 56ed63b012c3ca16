using Kedge.Demo;

namespace Kedge.SystemTests.Containers;

/// <summary>The image, made once for all tests that share it.</summary>
public sealed class ContainerImage : IDisposable
{
    private readonly Topology _net = Topology.Create(); // for its folder

    public ContainerImage()
    {
        Archive = Path.Combine(_net.TempFolder, "kedge.tar");
        Make(Archive);
    }

    /// <summary>The archive for <c>docker load</c>.</summary>
    public string Archive { get; }

    public void Dispose() => _net.Dispose();

    /// <summary>Makes an archive.</summary>
    internal static void Make(string archive)
    {
        var command = new Command(Repository.PathOf("deploy/container/image"), archive)
        {
            Environment = new Dictionary<string, string> { ["KEDGE_PROGRAM"] = Repository.Program },
            Timeout = TimeSpan.FromMinutes(5),
        };
        CommandResult made = RunningProcess.Run(command);
        Assert.True(made.Succeeded, made.Error);
    }
}
