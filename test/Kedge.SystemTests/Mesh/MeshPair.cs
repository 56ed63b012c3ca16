using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A mesh with two nodes, alpha and beta, for tests that take something away from it.</summary>
public sealed class MeshPair : IDisposable
{
    public MeshPair()
    {
        Mesh = new MeshNetwork();
        (Alpha, Beta) = (Mesh.Join("alpha"), Mesh.Join("beta"));
    }

    internal MeshNetwork Mesh { get; }

    internal MeshNode Alpha { get; }

    internal MeshNode Beta { get; }

    /// <summary>Starts again what the last test has ended, and waits until the nodes reach each other and alpha its controller.</summary>
    public void Restore()
    {
        if (!Mesh.ControllerRuns)
            Mesh.RestartController();
        foreach (MeshNode node in (MeshNode[])[Alpha, Beta])
        {
            if (node.Supervisor!.HasExited)
                node.Up();
        }
        Alpha.AwaitReach(Beta);
        Beta.AwaitReach(Alpha);
        Wait.Until(() => Alpha.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "alpha's connection");
    }

    public void Dispose() => Mesh.Dispose();
}
