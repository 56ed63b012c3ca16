using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.SystemTests.Certificates;

namespace Kedge.SystemTests.Mesh;

/// <summary>A locked network from the master key to the tunnel, by the commands that each step itself names.</summary>
public sealed partial class LockedWalkTests : IDisposable
{
    private readonly LockedMesh _locked = new();

    public void Dispose() => _locked.Dispose();

    [Fact]
    public void An_invited_node_and_one_whose_key_was_compared_reach_each_other()
    {
        MeshNode invited = _locked.Network.AddNode("invited"), compared = _locked.Network.AddNode("compared");
        string line = Path.Combine(_locked.Folder, "invited.join");
        Workshop.Kedge("ca", "invite", "invited", "--ca", _locked.Authority, "--join-line", _locked.Network.JoinFile, "--out", line);
        invited.Start("--join-file", line).WaitForLine("is registered and waits", MeshNetwork.Patience);
        string waiting = compared.Start("--join-file", _locked.Network.JoinFile).WaitForLine("is registered and waits", MeshNetwork.Patience);

        string shown = LockedMesh.IdentityKey(compared);
        Assert.Contains(shown, waiting, StringComparison.Ordinal);
        string status = compared.Try("status", MeshNode.Interface).Output;
        Assert.Contains("It waits", status, StringComparison.Ordinal);
        Assert.Contains("goes on by itself", status, StringComparison.Ordinal);
        Assert.Matches($"identity key +{Regex.Escape(shown)}", status);

        // As printed, with nobody at a terminal: it signs for the node that it can check, and says what is missing for the other.
        CommandResult first = Run(Hint(_locked.Network.Administer("node", "requests", "--out", _locked.Requests).Error));
        Assert.Contains("1 of 2 certified", first.Error, StringComparison.Ordinal);
        Assert.Contains("--expect compared=HASH", first.Error, StringComparison.Ordinal);
        Assert.Contains(shown, first.Error, StringComparison.Ordinal);
        Workshop.Kedge("ca", "sign", "--ca", _locked.Authority, "--expect", $"compared={shown}", "--out", _locked.Signed, _locked.Requests);

        _locked.Network.Administer("node", "certify", Save(first.Output));
        _locked.Network.Administer("node", "certify", _locked.Signed);
        invited.Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
        compared.Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
        invited.AwaitReach(compared);
        Assert.DoesNotContain(Secret(line), File.ReadAllText(_locked.Network.StoreFile), StringComparison.Ordinal);
        Assert.NotNull(Rosenpass(invited));
    }

    /// <summary>The certificate that the new one replaces is revoked, and no ping is lost meanwhile.</summary>
    [Fact]
    public void A_node_that_is_renamed_keeps_its_tunnels_though_its_former_certificate_is_revoked()
    {
        MeshNode alpha = _locked.Network.AddNode("alpha"), beta = _locked.Network.AddNode("beta");
        foreach (MeshNode node in (MeshNode[])[alpha, beta])
            node.Start("--join-file", _locked.Network.JoinFile).WaitForLine("is registered and waits", MeshNetwork.Patience);
        _locked.Certify(("alpha", alpha), ("beta", beta));
        foreach (MeshNode node in (MeshNode[])[alpha, beta])
            node.Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
        alpha.AwaitReach(beta);
        string key = alpha.KeyOf("beta")!;

        _locked.Network.Administer("node", "rename", "beta", "gamma");
        using RunningProcess pings = alpha.Host.Start(new Command("ping", "-n", "-i", "0.05", "-W", "1", beta.Address));
        _locked.Certify(("gamma", beta));
        Wait.Until(() => alpha.KeyOf("gamma") == key, MeshNetwork.Patience, "the new name at the other node");
        Wait.Until(() => alpha.LinkStatus()!.Refused.Count == 0, MeshNetwork.Patience, "no refusal");

        Assert.Contains("X509 CRL", File.ReadAllText(alpha.Folder.Trust), StringComparison.Ordinal);
        Assert.Equal(key, alpha.DeviceStatus().Peers.Single().PublicKey.ToString());
        alpha.AwaitReach(beta);
        pings.Signal(Kedge.Linux.Namespaces.ProcessSignal.Interrupt);
        string summary = pings.WaitForLine("packet loss", MeshNetwork.Patience);
        Assert.Contains(" 0% packet loss", summary, StringComparison.Ordinal);
    }

    [GeneratedRegex("kedge (ca sign .*)")]
    private static partial Regex SignHint();

    /// <summary>The words of the command that is named to whoever has the master key.</summary>
    private static string[] Hint(string text) => SignHint().Match(text).Groups[1].Value.Trim().Split(' ');

    private CommandResult Run(string[] words) =>
        RunningProcess.Run(new Command(["env", "-C", _locked.Folder, Repository.Program, .. words]));

    private string Save(string json)
    {
        string path = Path.Combine(_locked.Folder, "first.json");
        File.WriteAllText(path, json);
        return path;
    }

    private static string Secret(string joinFile) => File.ReadAllText(joinFile).Trim().Split("&invitation=")[1].Split('.')[1];

    private static Kedge.Protocol.Sha256Digest? Rosenpass(MeshNode node) =>
        Kedge.Node.ControlLink.CertificateFile.Read(node.Folder.Certificate)!.Node.RosenpassKeyHash;
}
