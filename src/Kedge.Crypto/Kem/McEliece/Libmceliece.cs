using System.Runtime.InteropServices;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// The functions of libmceliece that Kedge calls, where the machine has that library (Debian's package libmceliece1). Loaded once a
/// process, never freed. Immutable, for any thread.
/// </summary>
internal sealed unsafe class Libmceliece
{
    /// <summary>The environment variable that names the library's file in place of the system's.</summary>
    public const string Variable = "KEDGE_LIBMCELIECE";

    /// <summary>The library's file name: its ABI.</summary>
    public const string FileName = "libmceliece.so.1";

    // Lazy hands the exception itself to every caller, where a static constructor would bury it in a TypeInitializationException.
    private static readonly Lazy<Libmceliece?> LoadedOnce = new(() => Load(Environment.GetEnvironmentVariable(Variable)));

    private Libmceliece(nint library)
    {
        Plain = new(library, "mceliece_kem_460896");
        Confirmed = new(library, "mceliece_kem_460896pc");
    }

    /// <summary>The library; null where this machine has none. The first call loads it.</summary>
    /// <exception cref="PlatformNotSupportedException">KEDGE_LIBMCELIECE names what cannot be loaded.</exception>
    public static Libmceliece? Loaded => LoadedOnce.Value;

    /// <summary>mceliece460896.</summary>
    public Functions Plain { get; }

    /// <summary>mceliece460896pc.</summary>
    public Functions Confirmed { get; }

    /// <summary>Loads the library.</summary>
    /// <param name="asked">Its path; null or empty for the system's.</param>
    /// <inheritdoc cref="Loaded" path="/exception"/>
    internal static Libmceliece? Load(string? asked)
    {
        bool isSystems = string.IsNullOrEmpty(asked);
        if (!NativeLibrary.TryLoad(
            isSystems ? FileName : asked!, typeof(Libmceliece).Assembly, DllImportSearchPath.SafeDirectories, out nint library))
        {
            return isSystems ? null : throw new PlatformNotSupportedException(
                $"{Variable} is '{asked}', which cannot be loaded; set it to the path of {FileName}, and LD_LIBRARY_PATH to the " +
                "folder of the librandombytes that it needs, or unset it for the system's.");
        }
        try
        {
            return new(library);
        }
        catch (EntryPointNotFoundException) when (isSystems)
        {
            return null;
        }
        catch (EntryPointNotFoundException missing)
        {
            throw new PlatformNotSupportedException(
                $"{Variable} is '{asked}', which is not libmceliece with mceliece460896pc: {missing.Message}", missing);
        }
    }

    /// <summary>A mechanism's functions, each of which returns 0 for success.</summary>
    internal sealed class Functions(nint library, string prefix)
    {
        /// <summary>Public key, secret key.</summary>
        public readonly delegate* unmanaged<byte*, byte*, int> GenerateKeyPair =
            (delegate* unmanaged<byte*, byte*, int>)NativeLibrary.GetExport(library, prefix + "_keypair");

        /// <summary>Ciphertext, shared secret, public key.</summary>
        public readonly delegate* unmanaged<byte*, byte*, byte*, int> Encapsulate =
            (delegate* unmanaged<byte*, byte*, byte*, int>)NativeLibrary.GetExport(library, prefix + "_enc");

        /// <summary>Shared secret, ciphertext, secret key.</summary>
        public readonly delegate* unmanaged<byte*, byte*, byte*, int> Decapsulate =
            (delegate* unmanaged<byte*, byte*, byte*, int>)NativeLibrary.GetExport(library, prefix + "_dec");
    }
}
