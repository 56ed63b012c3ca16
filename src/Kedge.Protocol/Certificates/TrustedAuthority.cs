namespace Kedge.Protocol.Certificates;

/// <summary>
/// An authority of a <see cref="NetworkTrust"/> and all that it was ever seen to revoke. Changed while the trust is built, never after.
/// </summary>
/// <param name="certificate">The authority's certificate, verified.</param>
internal sealed class TrustedAuthority(AuthorityCertificate certificate)
{
    /// <summary>How many lists of one authority are kept, none of which names all that another does. An honest authority has one.</summary>
    public const int MaximumLists = 16;

    private readonly HashSet<SerialNumber> _revoked = [];
    private List<RevocationList> _lists = [];

    /// <summary>The authority's certificate.</summary>
    public AuthorityCertificate Certificate => certificate;

    /// <summary>Whether the master has revoked the authority itself.</summary>
    public bool IsRevoked { get; set; }

    /// <summary>The lists that hold, the newest first.</summary>
    public IReadOnlyList<RevocationList> RevocationLists => _lists;

    /// <summary>Whether the authority goes by a name.</summary>
    /// <param name="name">The name, DER.</param>
    public bool IsNamed(ReadOnlyMemory<byte> name) => certificate.Subject.Span.SequenceEqual(name.Span);

    /// <summary>Whether the authority has revoked a certificate of its own.</summary>
    public bool HasRevoked(SerialNumber serial) => _revoked.Contains(serial);

    /// <summary>Takes over all that was known of the same authority.</summary>
    public void Inherit(TrustedAuthority known)
    {
        _lists = [.. known._lists];
        _revoked.UnionWith(known._revoked);
    }

    /// <summary>
    /// Adds a list whose signature was checked. The CRL number says which list is the newest (RFC 5280 section 5.2.3); it does not bring back
    /// what only an older list names, as after the authority itself has lost its newest.
    /// </summary>
    /// <returns>False where it cannot be kept; everything is as before then.</returns>
    public bool TryAdd(RevocationList list)
    {
        List<RevocationList> kept = [];
        HashSet<SerialNumber> named = [];
        foreach (RevocationList one in _lists.Append(list).OrderByDescending(one => one.Number).ThenByDescending(one => one.Entries.Count))
        {
            bool isNews = kept.Count == 0 || one.Entries.Any(entry => !named.Contains(entry.Serial));
            if (!isNews)
                continue;
            kept.Add(one);
            named.UnionWith(one.Entries.Select(entry => entry.Serial));
        }
        if (kept.Count > MaximumLists)
            return false;
        _lists = kept;
        _revoked.UnionWith(named);
        return true;
    }
}
