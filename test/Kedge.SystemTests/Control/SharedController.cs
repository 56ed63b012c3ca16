using Kedge.Demo;

namespace Kedge.SystemTests.Control;

/// <summary>A controller for all tests of a class. None of them ends it or counts on what is in it; each names its own nodes.</summary>
public sealed class SharedController : IDisposable
{
    private readonly Topology _net = Topology.Create(); // for its folder alone

    public SharedController()
    {
        Process = ControllerProcess.Start(_net);
        Administrator = Process.CreateAdministrator();
    }

    internal ControllerProcess Process { get; }

    /// <summary>A client with the administrator's token.</summary>
    internal HttpClient Administrator { get; }

    public void Dispose()
    {
        Administrator.Dispose();
        Process.Dispose();
        _net.Dispose();
    }
}
