using System.Buffers.Binary;
using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Knock;

/// <summary>The plaintext of the message that ends a knock: how, in the words of its receiver.</summary>
internal static class KnockResultMessage
{
    /// <summary>Writes it.</summary>
    /// <param name="refusal">How the knock ended for its sender.</param>
    /// <param name="plaintext">Receives <see cref="KnockMessage.ResultSize"/> bytes.</param>
    public static void Write(KnockRefusal refusal, Span<byte> plaintext)
    {
        plaintext[..KnockMessage.ResultSize].Clear();
        plaintext[0] = (byte)refusal.Result;
        plaintext[1] = refusal.Certificate is { } certificate ? (byte)(1 + (int)certificate) : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(plaintext[4..], (int)refusal.ClockDifference.TotalSeconds);
    }

    /// <summary>Reads it. What a later version may have said is a reason that this one does not know.</summary>
    /// <param name="plaintext"><see cref="KnockMessage.ResultSize"/> bytes.</param>
    public static KnockRefusal Read(ReadOnlySpan<byte> plaintext)
    {
        var result = (KnockResult)plaintext[0];
        var certificate = (CertificateRefusal)(plaintext[1] - 1);
        return new KnockRefusal(
            result <= KnockResult.Other ? result : KnockResult.Other,
            IsByPeer: true,
            Enum.IsDefined(certificate) ? certificate : null,
            -TimeSpan.FromSeconds(BinaryPrimitives.ReadInt32LittleEndian(plaintext[4..])));
    }
}
