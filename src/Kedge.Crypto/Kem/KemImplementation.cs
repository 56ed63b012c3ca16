using System.Security.Cryptography;
using Kedge.Crypto.Kem.Kyber;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Crypto.Kem;

/// <summary>One of the implementations of a mechanism, and which of them a process uses.</summary>
/// <param name="Mechanism">The mechanism: mceliece460896, mceliece460896pc, kyber512 or mlkem512.</param>
/// <param name="Name">Managed, or what library it comes from.</param>
/// <param name="Lack">Why a machine does not have it, as the end of a sentence; empty for what every machine has.</param>
/// <param name="Probe">Whether this machine has it.</param>
/// <param name="Create">Makes one, where the machine has it.</param>
internal sealed record KemImplementation(string Mechanism, string Name, string Lack, Func<bool> Probe, Func<IKem> Create)
{
    /// <summary>The environment variable that chooses between <see cref="Managed"/> and <see cref="Native"/>.</summary>
    public const string Variable = "KEDGE_KEM";

    /// <summary>The word for what is written in C#: every machine has it.</summary>
    public const string Managed = "managed";

    /// <summary>The word for what is not.</summary>
    public const string Native = "native";

    private const string NoLibmceliece = "libmceliece is not installed";
    private const string NoMlKem = "this machine's OpenSSL has no ML-KEM, which came with 3.5";

    /// <summary>All of them; of each mechanism, the preferred first.</summary>
    public static readonly IReadOnlyList<KemImplementation> All =
    [
        new("mceliece460896", "libmceliece", NoLibmceliece, HasLibmceliece, () => new NativeMcEliece460896(isConfirmed: false)),
        new("mceliece460896", Managed, "", Always, () => new ManagedMcEliece460896(isConfirmed: false)),
        new("mceliece460896pc", "libmceliece", NoLibmceliece, HasLibmceliece, () => new NativeMcEliece460896(isConfirmed: true)),
        new("mceliece460896pc", Managed, "", Always, () => new ManagedMcEliece460896(isConfirmed: true)),
        new("kyber512", "openssl", NoMlKem, HasMlKem, () => new OpenSslKyber512(isRound3: true)),
        new("kyber512", Managed, "", Always, () => new ManagedKyber512(isRound3: true)),
        new("mlkem512", "openssl", NoMlKem, HasMlKem, () => new OpenSslKyber512(isRound3: false)),
        new("mlkem512", Managed, "", Always, () => new ManagedKyber512(isRound3: false)),
    ];

    /// <summary>Whether this machine has it.</summary>
    /// <inheritdoc cref="Libmceliece.Loaded" path="/exception"/>
    public bool IsSupported => Probe();

    /// <summary>Chooses: what is asked for, or the native one where the machine has it; a native one has to pass its self-test.</summary>
    /// <param name="mechanism">The mechanism.</param>
    /// <param name="asked">Managed or native; null or empty leaves the choice to the machine.</param>
    /// <exception cref="PlatformNotSupportedException">
    /// The word is unknown, or the machine has no native one, or KEDGE_LIBMCELIECE names what cannot be loaded; the message says so.
    /// </exception>
    /// <exception cref="CryptographicException">It computes what it should not.</exception>
    public static (KemImplementation Implementation, string Reason) Choose(string mechanism, string? asked)
    {
        KemImplementation[] all = [.. All.Where(implementation => implementation.Mechanism == mechanism)];
        KemImplementation managed = all.Single(implementation => implementation.Name == Managed);
        KemImplementation native = all.Single(implementation => implementation.Name != Managed);
        KemImplementation chosen = asked switch
        {
            null or "" => native.IsSupported ? native : managed,
            Managed => managed,
            Native => native.IsSupported ? native : throw new PlatformNotSupportedException(
                $"{Variable} is '{Native}', but there is no native {mechanism}, because {native.Lack}; set it to {Managed}, or unset it " +
                "for the best that there is."),
            _ => throw new PlatformNotSupportedException(
                $"{Variable} is '{asked}', which is unknown; set it to {Managed} or {Native}, or unset it for the best that there is."),
        };
        if (chosen == native)
            KemSelfTest.Run(native, managed);
        string reason = !string.IsNullOrEmpty(asked) ? $"{Variable} asks for it"
            : chosen == native ? "this machine has it" : native.Lack;
        return (chosen, reason);
    }

    private static bool Always() => true;

    private static bool HasLibmceliece() => Libmceliece.Loaded is not null;

    private static bool HasMlKem() => MLKem.IsSupported;
}
