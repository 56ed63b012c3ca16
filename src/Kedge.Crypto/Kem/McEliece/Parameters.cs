namespace Kedge.Crypto.Kem.McEliece;

/// <summary>The parameters of mceliece460896, by their names in the specification (sections 3 and 7), and the sizes that follow.</summary>
internal static class Parameters
{
    /// <summary>m: the field is GF(2^m).</summary>
    public const int M = 13;

    /// <summary>q: elements of the field.</summary>
    public const int Q = 1 << M;

    /// <summary>n: the code's length in bits.</summary>
    public const int N = 4608;

    /// <summary>t: errors that the code corrects, and the degree of the Goppa polynomial.</summary>
    public const int T = 96;

    /// <summary>mt: rows of the parity-check matrix, bits of a syndrome.</summary>
    public const int Rows = M * T;

    /// <summary>Bytes of a syndrome.</summary>
    public const int SyndromeSize = Rows / 8;

    /// <summary>Bytes of an error vector, and of the secret s.</summary>
    public const int VectorSize = N / 8;

    /// <summary>Bytes of a row of a public key: the k = n - mt columns beside the identity matrix.</summary>
    public const int PublicRowSize = (N - Rows) / 8;

    /// <summary>Bytes of a public key.</summary>
    public const int PublicKeySize = Rows * PublicRowSize;

    /// <summary>Bytes of the Goppa polynomial in a secret key: its coefficients but the leading 1, two bytes each.</summary>
    public const int GoppaSize = 2 * T;

    /// <summary>Bytes of the control bits of a Beneš network for the field's elements.</summary>
    public const int ControlBitsSize = ((2 * M) - 1) * Q / 2 / 8;

    /// <summary>Bytes of the plaintext confirmation that a ciphertext of mceliece460896pc ends with.</summary>
    public const int ConfirmationSize = 32;

    /// <summary>The mechanism's name, with plaintext confirmation or without.</summary>
    public static string NameOf(bool isConfirmed) => isConfirmed ? "mceliece460896pc" : "mceliece460896";

    /// <summary>Bytes of a ciphertext, with plaintext confirmation or without.</summary>
    public static int CiphertextSizeOf(bool isConfirmed) => SyndromeSize + (isConfirmed ? ConfirmationSize : 0);
}
