using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Kedge.Crypto.Simd;

namespace Kedge.Crypto;

/// <summary>One of the implementations of <see cref="IPacketAead"/>, and which of them this process uses.</summary>
/// <param name="Name">As the environment variable KEDGE_AEAD names it.</param>
/// <param name="IsSupported">Whether this CPU, as the runtime was told to use it, can run it.</param>
/// <param name="Create">Makes one for a key, which stays the caller's.</param>
internal sealed record AeadImplementation(string Name, bool IsSupported, Func<byte[], IPacketAead> Create)
{
    /// <summary>The environment variable that chooses in place of the CPU.</summary>
    public const string Variable = "KEDGE_AEAD";

    /// <summary>Vectors of 512 bits.</summary>
    public static readonly AeadImplementation Avx512 =
        new("avx512", Vector512Kernels.IsSupported, key => new VectorAead<Vector512Kernels>(key));

    /// <summary>Vectors of 256 bits.</summary>
    public static readonly AeadImplementation Avx2 =
        new("avx2", Vector256Kernels.IsSupported, key => new VectorAead<Vector256Kernels>(key));

    /// <summary>The machine's libcrypto, which every machine has: Kedge needs it for more than packets.</summary>
    public static readonly AeadImplementation Libcrypto = new("libcrypto", true, key => new LibcryptoAead(key));

    /// <summary>All of them, the fastest first.</summary>
    public static readonly IReadOnlyList<AeadImplementation> All = [Avx512, Avx2, Libcrypto];

    // Lazy hands the exception itself to every caller, where a static constructor would bury it in a TypeInitializationException.
    private static readonly Lazy<(AeadImplementation, string)> ChosenOnce = new(() => Choose(Environment.GetEnvironmentVariable(Variable)));

    /// <summary>The one that this process uses, and why it does. The first call chooses, tests and warms it up: some 50 ms.</summary>
    /// <inheritdoc cref="Choose" path="/exception"/>
    public static (AeadImplementation Implementation, string Reason) Chosen => ChosenOnce.Value;

    /// <summary>Chooses: what is asked for, or the fastest that this CPU has, and then only if it passes its self-test.</summary>
    /// <param name="asked">A name; null or empty leaves the choice to the CPU.</param>
    /// <exception cref="PlatformNotSupportedException">
    /// The name is unknown, or not for this CPU; or libcrypto is missing. The message says so.
    /// </exception>
    /// <exception cref="CryptographicException">It computes what it should not.</exception>
    internal static (AeadImplementation Implementation, string Reason) Choose(string? asked)
    {
        _ = LibcryptoAlgorithms.Loaded; // Handshakes need it, whatever seals packets: whether it is there shows now, not at the first one.
        AeadImplementation[] supported = [.. All.Where(implementation => implementation.IsSupported)];
        AeadImplementation chosen;
        string reason;
        if (string.IsNullOrEmpty(asked))
        {
            chosen = supported[0];
            reason = chosen == Libcrypto ? $"{Machine} has neither AVX-512 nor AVX2" : $"it is the fastest that {Machine} has";
        }
        else
        {
            chosen = supported.FirstOrDefault(implementation => implementation.Name == asked) ?? throw Refused(asked, supported);
            reason = $"{Variable} asks for it";
        }
        AeadSelfTest.Run(chosen);
        return (chosen, reason);
    }

    // A native program has the instructions that it was compiled for; otherwise all that the runtime finds in the CPU are there.
    private static string Machine => RuntimeFeature.IsDynamicCodeSupported ? "this CPU" : "this program";

    private static PlatformNotSupportedException Refused(string asked, AeadImplementation[] supported)
    {
        string wrong = All.Any(implementation => implementation.Name == asked) ? $"not supported by {Machine}" : "unknown";
        string right = string.Join(" or ", supported.Select(implementation => implementation.Name));
        return new($"{Variable} is '{asked}', which is {wrong}; set it to {right}, or unset it for the fastest of these.");
    }
}
