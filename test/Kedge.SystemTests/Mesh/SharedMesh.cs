namespace Kedge.SystemTests.Mesh;

/// <summary>A mesh for tests that do not mind each other's nodes.</summary>
public sealed class SharedMesh : IDisposable
{
    internal MeshNetwork Network { get; } = new();

    public void Dispose() => Network.Dispose();
}
