using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;

namespace Kedge.Commands.Ca;

/// <summary>How it is known that the keys of a request are those of the node that is meant, and not the controller's.</summary>
internal enum KeyAssurance
{
    /// <summary>It is not known: a person has to compare.</summary>
    None,

    /// <summary>A person has read the identity key's hash on the node and named it.</summary>
    Expected,

    /// <summary>The node has authenticated them with its invitation.</summary>
    Invited,

    /// <summary>They are certified already, and nothing else is asked for than before.</summary>
    Certified,
}

/// <summary>On what terms the holder of a master key certifies nodes.</summary>
/// <param name="Expected">Hashes of identity keys that were read on the nodes, by the nodes' names; of a stock peer its WireGuard key.</param>
/// <param name="MayAsk">Whether somebody is there to compare keys.</param>
internal sealed record SigningTerms(IReadOnlyDictionary<string, string> Expected, bool MayAsk)
{
    /// <summary>Finds out how it is known whose keys these are.</summary>
    /// <param name="asked">The request, and what it says, read.</param>
    /// <param name="folder">The master, and whom it has invited.</param>
    /// <param name="isCertified">Whether exactly this is certified already.</param>
    /// <param name="now">The time.</param>
    /// <param name="assurance">How it is known.</param>
    /// <returns>Why the request is refused, in a sentence; null where it is not.</returns>
    public string? Check(SigningCase asked, AuthorityFolder folder, bool isCertified, DateTimeOffset now, out KeyAssurance assurance)
    {
        (SigningRequest request, NodeSubject subject) = (asked.Request, asked.Subject!);
        assurance = KeyAssurance.None;
        string key = subject.IdentityKey?.Hash.ToString() ?? subject.WireGuardKey.ToString();
        if (Expected.TryGetValue(subject.Name, out string? expected))
        {
            assurance = expected == key ? KeyAssurance.Expected : KeyAssurance.None;
            return expected == key ? null : $"Its key is {key}, but --expect names {expected}: this is not the node that was looked at.";
        }
        // What an invited node asks for later, with the keys that it was invited with, is like any other request.
        if (request.InvitationProof is { } proof && !isCertified && !(MayAsk && folder.Invitations.Find(subject.Name)?.Proof == proof))
        {
            if (CheckInvitation(request, proof, subject, folder, now) is { } refusal)
                return refusal;
            assurance = KeyAssurance.Invited;
            return null;
        }
        if (isCertified)
            assurance = KeyAssurance.Certified;
        if (isCertified || MayAsk)
            return null;
        return subject.IdentityKey is null
            ? $"Nobody is here to confirm it. Add --expect {subject.Name}=KEY, with the WireGuard key that the peer itself shows."
            : $"Nobody is here to compare its identity key with what the node itself shows. Read it there ('{asked.WhereKeyIsShown}') and add --expect {subject.Name}=HASH.";
    }

    private static string? CheckInvitation(SigningRequest request, string proof, NodeSubject subject, AuthorityFolder folder, DateTimeOffset now)
    {
        string again = $"Invite the node again (kedge ca invite {subject.Name} --ca {folder.Path}), or compare its identity key and add --expect {subject.Name}=HASH.";
        if (folder.Invitations.Find(subject.Name) is not { } record)
            return $"It says that it was invited, but nobody was invited as {subject.Name} here. {again}";
        if (record.UsedAt is { } used)
            return $"The invitation of {subject.Name} was used on {used:u}, and is good for one certificate. {again}";
        if (now > record.ExpiresAt)
            return $"The invitation of {subject.Name} expired on {record.ExpiresAt:u}. {again}";
        var keys = EnrolmentTranscript.OfInvited(
            folder.Master.NetworkId.ToArray(), request.Name, request.IdentityKey ?? "", request.WireGuardKey, request.RosenpassKeyHash, request.ChildPrefixes);
        if (record.Invitation is not { } invitation || !invitation.IsProof(keys, proof))
        {
            return "Its proof is not that of the node which was invited: the controller, or somebody before it, has exchanged a key, the name, "
                + $"or a network behind the node. If the node itself asks for something else by now: {again}";
        }
        if (record.ZoneId is { } zone && zone != subject.ZoneId)
            return $"{subject.Name} was invited to the zone {zone}, not to {subject.ZoneId}.";
        return subject.Tags.Except(record.Tags).FirstOrDefault() is { } tag
            ? $"{subject.Name} was not invited with the tag {tag}. {again}"
            : null;
    }
}
