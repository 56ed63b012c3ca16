using Kedge.Protocol.Enrolment;

namespace Kedge.Tests.Enrolment;

/// <summary>A secret by which a node vouches for its keys.</summary>
public class InvitationTests
{
    private static readonly byte[] Network = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    [Fact]
    public void What_is_written_is_read()
    {
        Invitation invitation = New(1);

        Assert.True(Invitation.TryParse(invitation.ToSecretText(), out Invitation? read));
        Assert.Equal(invitation, read);
        Assert.Equal("buoy-7", read.Name);
        Assert.Equal("buoy-7.AQEBAQEBAQEBAQEBAQEBAQ", invitation.ToSecretText());
    }

    [Theory]
    [InlineData("")]
    [InlineData("buoy-7")]
    [InlineData("buoy-7.")]
    [InlineData(".AQEBAQEBAQEBAQEBAQEBAQ")]
    [InlineData("Buoy.AQEBAQEBAQEBAQEBAQEBAQ")]
    [InlineData("buoy-7.AQEBAQEBAQEBAQEBAQEBA")]
    [InlineData("buoy-7.AQEBAQEBAQEBAQEBAQEBAQA")]
    [InlineData("buoy-7.AQEBAQEBAQEBAQEBAQEBAR")] // spare bits that are not zero: another text of the same secret
    [InlineData("buoy-7.AQEBAQEBAQEB!QEBAQEBAQ")]
    [InlineData("buoy-7.AQEBAQEBAQEB QEBAQEBAQ")]
    public void What_is_no_invitation_is_not_read(string text) => Assert.False(Invitation.TryParse(text, out _));

    [Fact]
    public void A_proof_holds_for_one_secret_and_for_everything_that_it_names()
    {
        Invitation invitation = New(1);
        string proof = invitation.Prove(Keys());

        Assert.True(invitation.IsProof(Keys(), proof));
        Assert.False(New(2).IsProof(Keys(), proof));
        Assert.False(invitation.IsProof(Keys(network: new byte[32]), proof));
        Assert.False(invitation.IsProof(Keys(name: "buoy-8"), proof));
        Assert.False(invitation.IsProof(Keys(identity: "J"), proof));
        Assert.False(invitation.IsProof(Keys(wireGuard: "X"), proof));
        Assert.False(invitation.IsProof(Keys(rosenpass: null), proof));
        Assert.False(invitation.IsProof(Keys(prefixes: ["10.7.0.0/24"]), proof));
        Assert.All(new[] { null, "", "A", proof[..^1], proof + "A", proof.Replace('=', 'A') }, text => Assert.False(invitation.IsProof(Keys(), text)));
    }

    /// <summary>The controller may name the prefixes in another order than the node did.</summary>
    [Fact]
    public void The_order_of_prefixes_does_not_matter()
    {
        string proof = New(1).Prove(Keys(prefixes: ["10.8.0.0/24", "10.7.0.0/24"]));

        Assert.True(New(1).IsProof(Keys(prefixes: ["10.7.0.0/24", "10.8.0.0/24"]), proof));
    }

    [Fact]
    public void The_secret_is_not_shown() => Assert.DoesNotContain("AQEB", New(1).ToString(), StringComparison.Ordinal);

    private static Invitation New(byte fill) => Invitation.Create("buoy-7", bytes => bytes.Fill(fill));

    private static EnrolmentTranscript Keys(
        byte[]? network = null, string name = "buoy-7", string identity = "I", string wireGuard = "W", string? rosenpass = "R", params string[] prefixes) =>
        EnrolmentTranscript.OfInvited(network ?? Network, name, identity, wireGuard, rosenpass, prefixes);
}
