using Kedge.Crypto.Kem.Kyber;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Crypto.Kem;

/// <summary>One of the implementations of a mechanism.</summary>
/// <param name="Mechanism">The mechanism: mceliece460896, mceliece460896pc, kyber512 or mlkem512.</param>
/// <param name="Name">The implementation: managed or what library it comes from.</param>
/// <param name="IsSupported">Whether this machine has it.</param>
/// <param name="Create">Makes one.</param>
internal sealed record KemImplementation(string Mechanism, string Name, bool IsSupported, Func<IKem> Create)
{
    /// <summary>All of them; of each mechanism, the preferred first.</summary>
    public static readonly IReadOnlyList<KemImplementation> All =
    [
        new("mceliece460896", "managed", true, () => new ManagedMcEliece460896(isConfirmed: false)),
        new("mceliece460896pc", "managed", true, () => new ManagedMcEliece460896(isConfirmed: true)),
        new("kyber512", "managed", true, () => new ManagedKyber512(isRound3: true)),
        new("mlkem512", "managed", true, () => new ManagedKyber512(isRound3: false)),
    ];
}
