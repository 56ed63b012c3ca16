using Kedge.Demo;
using Kedge.Demo.Networks;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Networks;

/// <summary>Nodes of networks without a controller, from the master key to packets.</summary>
public sealed class KnockTests : IDisposable
{
    private readonly NetworkScene _scene = new();

    public void Dispose() => _scene.Dispose();

    [Fact]
    public void One_knock_serves_both_directions_and_is_remembered()
    {
        NetworkNode a = _scene.Add("alice"), b = _scene.Add("bob");
        a.Enter(_scene.Key.Certificate);
        b.Enter(_scene.Key.Certificate);
        Assert.False(NetworkScene.Reaches(a, b));

        string said = a.Knock(b).Output;

        Assert.Contains("is node 'bob', 10.44.0.2/32", said, StringComparison.Ordinal);
        NetworkScene.AwaitReach(a, b);
        NetworkScene.AwaitReach(b, a);
        Assert.Matches(@"bob +10\.44\.0\.2 +direct", a.Run("status", "kedge0"));
        Assert.Contains("None: nodes introduce themselves", a.Try("netcheck").Output, StringComparison.Ordinal);

        a.Run("down");
        a.Up();
        NetworkScene.AwaitReach(a, b);
    }

    [Fact]
    public void The_words_of_Rimnet_knock_too()
    {
        NetworkNode a = _scene.Add("alice"), b = _scene.Add("bob");
        a.Enter(_scene.Key.Certificate);
        b.Enter(_scene.Key.Certificate);

        a.Run("knock-request", "--target-public-ipv4", "192.0.2.2", "--target-public-port", "7891");

        NetworkScene.AwaitReach(b, a);
    }

    [Fact]
    public void Nobody_of_another_network_is_answered()
    {
        var other = new MasterKey(_scene.Keeper, Repository.Program, "other", NetworkScene.Prefix);
        NetworkNode a = _scene.Add("alice"), stranger = _scene.Add("stranger", other);
        a.Enter(_scene.Key.Certificate);
        stranger.Enter(other.Certificate);

        CommandResult result = stranger.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("No answer: nobody is there, or it is a node of another network.", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("stranger", a.Run("status", "kedge0"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_was_revoked_is_refused_and_its_owner_is_told_why()
    {
        NetworkNode a = _scene.Add("alice"), b = _scene.Add("bob");
        _scene.Key.Revoke(b);
        a.Enter(_scene.CertificateWithList());
        b.Enter(_scene.Key.Certificate);

        CommandResult result = b.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("The other node refuses this node's certificate.", result.Error, StringComparison.Ordinal);
        Assert.Contains("revoked", result.Error, StringComparison.Ordinal);

        a.Run("down");
        a.Enter(_scene.Key.Certificate); // which leaves the list out
        Assert.Contains("revoked", b.Knock(a).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_that_is_given_to_a_node_that_is_up_counts_at_once()
    {
        NetworkNode a = _scene.Add("alice"), b = _scene.Add("bob");
        a.Enter(_scene.Key.Certificate);
        b.Enter(_scene.Key.Certificate);
        _scene.Key.Revoke(b);
        var run = new RunFolder(Path.Combine(_scene.Net.TempFolder, "alice.run"), MeshNode.Interface);
        MeshNode.Kill(ProcessLock.Holder(run.UpLock)); // what it supervised goes on

        a.Enter(_scene.CertificateWithList());

        Assert.Contains("revoked", b.Knock(a).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused_before_anything_is_changed()
    {
        NetworkNode a = _scene.Add("alice"), b = _scene.Add("bob");

        CommandResult foreignKeys = a.TryEnter(_scene.Key.Certificate, b.Certificate, a.Keys);
        Assert.Equal(1, foreignKeys.ExitCode);
        Assert.Contains("is for other keys than those in", foreignKeys.Error, StringComparison.Ordinal);

        CommandResult noMaster = a.TryEnter(a.Request, a.Certificate, a.Keys);
        Assert.Contains("has no certificate of a network's master", noMaster.Error, StringComparison.Ordinal);

        Assert.Equal(2, a.Try("up", "--network", "demo", "--ca", _scene.Key.Certificate).ExitCode);
        Assert.Contains("is in no network", a.Knock(b).Error, StringComparison.Ordinal);
    }
}
