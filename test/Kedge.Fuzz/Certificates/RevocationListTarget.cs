using System.Numerics;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol.Certificates;

namespace Kedge.Fuzz.Certificates;

/// <summary>Revocation lists. What is accepted the base library accepts too, with the same number.</summary>
public sealed class RevocationListTarget : Target
{
    public override string Name => "revocation-list";

    public override int MaximumLength => 800;

    public override int ShortRun => 15_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } = DerWords.All;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        bool accepted = RevocationList.TryParse(input, out RevocationList? list, out CertificateRefusal refusal);
        trace.Note(1, accepted ? -1 : (int)refusal);
        Invariant.Equal(accepted, list is not null, "a list is there when it is accepted");
        if (list is null)
            return;
        trace.Note(2, list.Entries.Count);
        CertificateRevocationListBuilder theirs = CertificateRevocationListBuilder.Load(input.ToArray(), out BigInteger number);
        Invariant.Equal(number, list.Number, "the number is the one in it");
        Invariant.Holds(list.Der.Span.SequenceEqual(input), "the list is what was given");
        foreach (RevokedCertificate entry in list.Entries)
        {
            Invariant.Holds(list.Contains(entry.Serial), "what is listed is revoked");
            Invariant.Holds(theirs.RemoveEntry(entry.Serial.ToArray()), "what is listed is listed for everybody");
        }
    }
}
