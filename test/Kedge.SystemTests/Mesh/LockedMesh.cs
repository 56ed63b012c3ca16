using Kedge.SystemTests.Certificates;

namespace Kedge.SystemTests.Mesh;

/// <summary>A locked network, and the master key that certifies its nodes. Whoever makes it disposes it.</summary>
internal sealed class LockedMesh : IDisposable
{
    public LockedMesh()
    {
        Workshop.Kedge("ca", "init", Authority);
        Network = new MeshNetwork("--locked", Path.Combine(Authority, "master.pem"));
    }

    public MeshNetwork Network { get; }

    /// <summary>The folder of the files that are made here.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("kedge-locked-").FullName;

    /// <summary>The folder of the master key.</summary>
    public string Authority => Path.Combine(Folder, "master");

    public string Requests => Path.Combine(Folder, "requests.json");

    public string Signed => Path.Combine(Folder, "signed.json");

    /// <summary>Certifies nodes that wait, by the identity keys that they show themselves.</summary>
    public void Certify(params (string Name, MeshNode Node)[] nodes)
    {
        Network.Administer("node", "requests", "--out", Requests);
        string[] expected = [.. nodes.SelectMany(one => new[] { "--expect", $"{one.Name}={IdentityKey(one.Node)}" })];
        Workshop.Kedge(["ca", "sign", "--ca", Authority, .. expected, "--out", Signed, Requests]);
        Network.Administer("node", "certify", Signed);
    }

    /// <summary>The hash of a node's identity key, as its status shows it.</summary>
    public static string IdentityKey(MeshNode node) => node.StatusJson().GetProperty("identityKeyHash").GetString()!;

    public void Dispose()
    {
        Network.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
