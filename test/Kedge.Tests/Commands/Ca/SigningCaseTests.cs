using System.Security.Cryptography;
using Kedge.Commands.Ca;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;

namespace Kedge.Tests.Commands.Ca;

/// <summary>What the holder of a master key signs for a controller that may be in the wrong hands.</summary>
public sealed class SigningCaseTests : IDisposable
{
    private static readonly Guid Zone = Guid.NewGuid();
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SigningTerms Unattended = new(new Dictionary<string, string>(), MayAsk: false);

    private readonly string _path = Directory.CreateTempSubdirectory("kedge-test-").FullName;
    private readonly AuthorityFolder _folder;

    public SigningCaseTests() => _folder = AuthorityFolder.Create(Path.Combine(_path, "ca"), "Harbour", Now.AddDays(-1));

    public void Dispose() => Directory.Delete(_path, recursive: true);

    [Fact]
    public void An_invited_node_needs_nobodys_eyes()
    {
        SigningCase judged = Judge(new Applicant("buoy-7", Invite("buoy-7")).Request(this));

        Assert.Null(judged.Refusal);
        Assert.Equal(KeyAssurance.Invited, judged.Assurance);
    }

    [Fact]
    public void A_controller_that_swaps_anything_of_an_invited_node_gets_nothing_signed()
    {
        Invitation invitation = Invite("buoy-7");
        Invite("other");
        SigningRequest honest = new Applicant("buoy-7", invitation).Request(this, "10.7.0.0/24");
        SigningRequest thief = new Applicant("buoy-7", null).Request(this, "10.7.0.0/24");
        SigningRequest[] swapped =
        [
            thief with { InvitationProof = honest.InvitationProof }, // keys of its own, and the proof of the node
            thief with { InvitationProof = Convert.ToBase64String(new byte[Invitation.ProofSize]) },
            thief with { InvitationProof = "" },
            honest with { Name = "other" },
            honest with { ChildPrefixes = ["0.0.0.0/1"] },
            honest with { ChildPrefixes = [] },
            honest with { Tags = ["boss"] },
        ];

        Assert.All(swapped, request => Assert.NotNull(Judge(request).Refusal));
        Assert.Null(Judge(honest).Refusal);
        Assert.NotNull(Judge(honest with { WireGuardKey = thief.WireGuardKey }).Refusal);
        Assert.NotNull(Judge(honest with { RosenpassKeyHash = NewKey() }).Refusal);
    }

    [Fact]
    public void An_invitation_is_good_for_one_certificate()
    {
        Invitation invitation = Invite("buoy-7");
        SigningRequest request = new Applicant("buoy-7", invitation).Request(this);
        _folder.Invitations.Use(_folder.Invitations.Find("buoy-7")!, request.InvitationProof!, Now);

        Assert.Contains("was used", Judge(request).Refusal, StringComparison.Ordinal);
        Assert.Contains("was used", Judge(new Applicant("buoy-7", invitation).Request(this)).Refusal, StringComparison.Ordinal);
        Assert.DoesNotContain(invitation.ToSecretText(), File.ReadAllText(Path.Combine(_folder.Path, "invitations", "buoy-7.json")), StringComparison.Ordinal);
    }

    [Fact]
    public void An_expired_or_unknown_invitation_is_refused_in_words()
    {
        SigningRequest late = new Applicant("buoy-7", Invite("buoy-7")).Request(this);
        SigningRequest unknown = new Applicant("stranger", Invitation.Create("stranger", RandomNumberGenerator.Fill)).Request(this);

        Assert.Contains("expired", Judge(late, now: Now.AddDays(8)).Refusal, StringComparison.Ordinal);
        Assert.Contains("nobody was invited as stranger", Judge(unknown).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_zone_that_the_invitation_does_not_name_is_refused()
    {
        Invitation invitation = Invite("buoy-7", Guid.NewGuid());

        Assert.Contains("was invited to the zone", Judge(new Applicant("buoy-7", invitation).Request(this)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nobody_looks_a_node_that_was_not_invited_has_to_be_expected()
    {
        SigningRequest request = new Applicant("buoy-7", null).Request(this);
        string hash = HashOf(request), other = HashOf(new Applicant("buoy-8", null).Request(this));

        Assert.Contains("--expect buoy-7=HASH", Judge(request).Refusal, StringComparison.Ordinal);
        Assert.Contains(other, Judge(request, Expecting("buoy-7", other)).Refusal, StringComparison.Ordinal);
        SigningCase judged = Judge(request, Expecting("buoy-7", hash));
        Assert.Equal((null, KeyAssurance.Expected), (judged.Refusal, judged.Assurance));
        Assert.Equal(KeyAssurance.None, Judge(request, Unattended with { MayAsk = true }).Assurance);
    }

    [Fact]
    public void Keys_that_their_identity_key_has_not_signed_are_never_certified()
    {
        SigningRequest request = new Applicant("buoy-7", null).Request(this);

        Assert.NotNull(Judge(request with { KeysSignature = null }, Expecting("buoy-7", HashOf(request)) with { MayAsk = true }).Refusal);
    }

    [Fact]
    public void What_is_certified_already_is_renewed_unseen_and_revokes_nothing()
    {
        SigningRequest request = new Applicant("buoy-7", Invite("buoy-7")).Request(this);
        Sign(request);
        _folder.Invitations.Use(_folder.Invitations.Find("buoy-7")!, request.InvitationProof!, Now);

        SigningCase renewal = Judge(request with { Renewal = true });

        Assert.Equal((null, KeyAssurance.Certified), (renewal.Refusal, renewal.Assurance));
        Assert.Empty(renewal.Replaced);
        SigningRequest moved = request with { Addresses = ["10.200.0.9"] };
        Assert.NotNull(Judge(moved).Refusal);
        SigningCase asked = Judge(moved, Unattended with { MayAsk = true }); // the keys are those that were invited, but somebody has to look
        Assert.Equal((null, KeyAssurance.None), (asked.Refusal, asked.Assurance));
    }

    [Fact]
    public void A_new_certificate_revokes_the_one_whose_keys_name_or_addresses_it_changes()
    {
        var node = new Applicant("buoy-7", null);
        NodeCertificate first = Sign(node.Request(this));
        SigningRequest sameName = new Applicant("buoy-7", null).Request(this);

        Assert.Equal([first.Serial], Judge(sameName).Replaced.Select(one => one.Serial));
        Assert.Equal([first.Serial], Judge(node.Request(this) with { Name = "renamed" }).Replaced.Select(one => one.Serial));
        Assert.Equal([first.Serial], Judge(node.Request(this) with { Addresses = ["10.200.0.9"] }).Replaced.Select(one => one.Serial));
        Assert.Empty(Judge(new Applicant("buoy-8", null).Request(this) with { Addresses = ["10.200.0.8"] }).Replaced);
        Assert.Empty(Judge(sameName with { ZoneId = Guid.NewGuid() }).Replaced);
    }

    [Fact]
    public void The_former_holder_of_a_name_does_not_keep_its_address_from_the_new_one()
    {
        Sign(new Applicant("buoy-7", null).Request(this));
        SigningRequest reinstalled = new Applicant("buoy-7", Invite("buoy-7")).Request(this);

        Assert.Null(Judge(reinstalled).Refusal);
        Assert.Contains("is certified for buoy-7", Judge(reinstalled with { Name = "thief" }, Unattended with { MayAsk = true }).Refusal, StringComparison.Ordinal);
    }

    private static SigningTerms Expecting(string name, string hash) => Unattended with { Expected = new Dictionary<string, string> { [name] = hash } };

    private static string HashOf(SigningRequest request) => Sha256Digest.Of(Convert.FromBase64String(request.IdentityKey!)).ToString();

    private static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private SigningCase Judge(SigningRequest request, SigningTerms? terms = null, DateTimeOffset? now = null) =>
        SigningCase.Judge(request, _folder, terms ?? Unattended, now ?? Now);

    private Invitation Invite(string name, Guid? zone = null)
    {
        var invitation = Invitation.Create(name, RandomNumberGenerator.Fill);
        _folder.Invitations.Add(new InvitationRecord { Name = name, ExpiresAt = Now.AddDays(7), Secret = invitation.ToSecretText(), ZoneId = zone });
        return invitation;
    }

    private NodeCertificate Sign(SigningRequest request)
    {
        SigningCase judged = Judge(request, Unattended with { MayAsk = true });
        NodeCertificate certificate = _folder.Unlock(master => master.CertifyNode(judged.Subject!, AuthorityFolder.NewSerial(), Now.AddHours(-1), Now.AddDays(365)));
        _folder.Keep(certificate);
        return certificate;
    }

    /// <summary>A node that has joined, and what an honest controller asks for in its name.</summary>
    private sealed class Applicant(string name, Invitation? invitation)
    {
        private readonly ECDsa _identity = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        private readonly string _wireGuardKey = NewKey();

        public SigningRequest Request(SigningCaseTests tests, params string[] childPrefixes)
        {
            byte[] network = tests._folder.Master.NetworkId.ToArray();
            string identityKey = Convert.ToBase64String(_identity.ExportSubjectPublicKeyInfo());
            return new SigningRequest
            {
                NetworkId = tests._folder.Master.NetworkId.ToString(),
                ZoneId = Zone,
                ZoneName = "default",
                NodeId = Guid.NewGuid(),
                Name = name,
                IdentityKey = identityKey,
                WireGuardKey = _wireGuardKey,
                KeysSignature = EnrolmentTranscript.OfKeys(network, identityKey, _wireGuardKey, null).Sign(_identity),
                InvitationProof = invitation?.Prove(EnrolmentTranscript.OfInvited(network, name, identityKey, _wireGuardKey, null, childPrefixes)),
                Tags = [],
                Addresses = ["10.200.0.7"],
                ChildPrefixes = childPrefixes,
                Proven = true,
                Renewal = false,
            };
        }
    }
}
