namespace Kedge.Demo;

/// <summary>The keys of a WireGuard peer in the notation of <c>wg</c>, base64 of 32 bytes. Made by <c>wg</c>, not by Kedge.</summary>
/// <param name="PrivateKey">The private key.</param>
/// <param name="PublicKey">The public key that belongs to it.</param>
public sealed record WireGuardKeys(string PrivateKey, string PublicKey)
{
    /// <summary>A new pair of keys.</summary>
    public static WireGuardKeys Generate()
    {
        string privateKey = Topology.RunHere(new Command("wg", "genkey")).Output.Trim();
        return new(privateKey, Topology.RunHere(new Command("wg", "pubkey") { Input = privateKey }).Output.Trim());
    }

    /// <summary>A new preshared key, base64 of 32 bytes.</summary>
    public static string GeneratePresharedKey() => Topology.RunHere(new Command("wg", "genpsk")).Output.Trim();

    /// <summary>The public key alone: a private key belongs into no message.</summary>
    public override string ToString() => PublicKey;
}
