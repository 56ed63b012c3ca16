using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Knock;

/// <summary>A peer's certificate while it arrives: its start, and the rest in parts, one after another.</summary>
internal sealed class CertificateParts
{
    private readonly byte[] _bytes;

    private CertificateParts(int length) => _bytes = new byte[length];

    /// <summary>How many bytes have arrived: the offset of what comes next.</summary>
    public int Received { get; private set; }

    /// <summary>Whether all have.</summary>
    public bool IsComplete => Received == _bytes.Length;

    /// <summary>What has arrived of the certificate, DER.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Received);

    /// <summary>Takes the start.</summary>
    /// <param name="payload">The payload of a response or confirmation.</param>
    /// <returns>Null if there cannot be such a certificate, or more or less of it is there than should be.</returns>
    public static CertificateParts? Start(ReadOnlySpan<byte> payload)
    {
        int length = KnockMessage.ReadCertificateLength(payload);
        ReadOnlySpan<byte> start = payload[KnockMessage.CertificateHeaderSize..];
        if (length is 0 or > NodeCertificate.MaximumSize || start.Length != KnockMessage.StartLength(length))
            return null;
        var parts = new CertificateParts(length);
        start.CopyTo(parts._bytes);
        parts.Received = start.Length;
        return parts;
    }

    /// <summary>Takes what comes next.</summary>
    /// <returns>False, with nothing changed, if it is something else, or nothing.</returns>
    public bool TryAdd(int offset, ReadOnlySpan<byte> bytes)
    {
        if (offset != Received || bytes.IsEmpty || bytes.Length > _bytes.Length - Received)
            return false;
        bytes.CopyTo(_bytes.AsSpan(Received));
        Received += bytes.Length;
        return true;
    }
}
