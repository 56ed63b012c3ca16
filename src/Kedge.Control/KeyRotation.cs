using Kedge.Control.Pki;
using Kedge.Protocol;

namespace Kedge.Control;

/// <summary>Puts new keys in place of those of a controller's authorities. No controller runs on the data folder meanwhile.</summary>
public static class KeyRotation
{
    /// <summary>Has the master of a managed network certify a new issuer.</summary>
    /// <param name="dataDirectory">The data folder.</param>
    /// <param name="masterKeyFile">The file of the master key; null for the one in the data folder.</param>
    /// <param name="now">The time.</param>
    /// <returns>When the new issuer's certificate ends.</returns>
    /// <exception cref="UserError">It cannot be; the message says why.</exception>
    public static DateTimeOffset RotateIssuer(string dataDirectory, string? masterKeyFile, DateTimeOffset now)
    {
        using DataDirectory data = Open(dataDirectory);
        return NetworkAuthority.RotateIssuer(data.KeyFolder, masterKeyFile, now).NotAfter;
    }

    /// <summary>Makes a new key by which the controller is known, certified by the former one.</summary>
    /// <param name="dataDirectory">The data folder.</param>
    /// <param name="now">The time.</param>
    /// <returns>The pins by which the controller is known from then on, base64url, the new one first.</returns>
    /// <exception cref="UserError">It cannot be; the message says why.</exception>
    public static IReadOnlyList<string> RotateServerAuthority(string dataDirectory, DateTimeOffset now)
    {
        using DataDirectory data = Open(dataDirectory);
        return [.. ServerCertificate.Rotate(data.KeyFolder, now).Select(pin => pin.ToString())];
    }

    /// <summary>Ends the overlap with former keys.</summary>
    /// <param name="dataDirectory">The data folder.</param>
    /// <returns>The pin by which the controller is known from then on, base64url.</returns>
    /// <exception cref="UserError">It cannot be; the message says why.</exception>
    public static IReadOnlyList<string> ForgetFormerServerAuthorities(string dataDirectory)
    {
        using DataDirectory data = Open(dataDirectory);
        return [.. ServerCertificate.ForgetFormer(data.KeyFolder).Select(pin => pin.ToString())];
    }

    private static DataDirectory Open(string dataDirectory) => Directory.Exists(dataDirectory)
        ? DataDirectory.Lock(dataDirectory)
        : throw new UserError($"There is no folder {dataDirectory}. Name the controller's with --data-dir.");
}
