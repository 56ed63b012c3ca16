namespace Kedge.Demo.Networks;

/// <summary>A network without a controller: the folder with its master key, and who is certified by it.</summary>
public sealed class MasterKey
{
    private readonly Host _keeper;
    private readonly string _program, _folder;

    /// <summary>Makes a new network.</summary>
    /// <param name="keeper">The machine with the master key; no other ever sees it.</param>
    /// <param name="program">The path of the program <c>kedge</c>.</param>
    /// <param name="name">The folder's name, unique in the topology.</param>
    /// <param name="prefix">The network's prefix.</param>
    /// <exception cref="CommandException">It could not be made.</exception>
    public MasterKey(Host keeper, string program, string name, string prefix)
    {
        ArgumentNullException.ThrowIfNull(keeper);
        (_keeper, _program, _folder) = (keeper, program, Path.Combine(keeper.Topology.TempFolder, name));
        Run("ca", "init", _folder, "--prefix", prefix);
    }

    /// <summary>The file with the master's certificate, which every node gets.</summary>
    public string Certificate => Path.Combine(_folder, "master.pem");

    /// <summary>The revocation list, once something has been revoked.</summary>
    public string RevocationList => Path.Combine(_folder, "revoked.pem");

    /// <summary>Has a node make its keys and ask, and certifies it.</summary>
    /// <param name="node">The node.</param>
    /// <param name="requested">More options of <c>kedge cert request</c>.</param>
    /// <param name="granted">More options of <c>kedge ca sign</c>.</param>
    /// <exception cref="CommandException">It was refused.</exception>
    public void Certify(NetworkNode node, string[]? requested = null, string[]? granted = null)
    {
        ArgumentNullException.ThrowIfNull(node);
        node.Run(
        [
            "cert", "request", node.Request, "--name", node.Host.Label, "--ip", node.Address, "--ca", Certificate, "--key", node.Keys,
            .. requested ?? [],
        ]);
        // What a person compares with what the node shows on its own screen.
        string hash = node.Run("cert", "show", node.Request)
            .Split('\n').Single(line => line.StartsWith("identity key", StringComparison.Ordinal)).Split(' ')[^1];
        Run(["ca", "sign", node.Request, "--ca", _folder, "--out", node.Certificate, "--expect", $"{node.Host.Label}={hash}", .. granted ?? []]);
    }

    /// <summary>Revokes a node's certificate.</summary>
    /// <exception cref="CommandException">It could not be revoked.</exception>
    public void Revoke(NetworkNode node)
    {
        ArgumentNullException.ThrowIfNull(node);
        Run("ca", "revoke", node.Certificate, "--ca", _folder);
    }

    private string Run(params string[] arguments) => _keeper.Run([_program, .. arguments]).Output;
}
