namespace Kedge.SystemTests.Mesh;

/// <summary>A mesh on the internet, for pairs of nodes that do not mind each other.</summary>
public sealed class NatMesh : IDisposable
{
    internal MeshNetwork Network { get; } = MeshNetwork.OnInternet();

    public void Dispose() => Network.Dispose();
}
