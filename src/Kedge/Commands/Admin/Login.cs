using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>Which controller an administrator commands, and as whom.</summary>
/// <param name="Url">The controller's address: <c>https://HOST:PORT</c>.</param>
/// <param name="Pin">The SHA-256 of its server authority's SubjectPublicKeyInfo.</param>
/// <param name="Token">The administrator's token, a secret.</param>
internal sealed record Login(Uri Url, Sha256Digest Pin, string Token)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Reads an address as a person may write it.</summary>
    /// <returns>False where it is not <c>https://HOST[:PORT]</c>.</returns>
    public static bool TryReadUrl(string text, [NotNullWhen(true)] out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url)
        && url.Scheme == Uri.UriSchemeHttps
        && url is { Host.Length: > 0, PathAndQuery: "/", Fragment: "", UserInfo: "" };

    /// <summary>Reads a token, with blanks and line ends around it.</summary>
    /// <exception cref="UserError">It has not the form of a token.</exception>
    public static string ReadToken(string text, string source)
    {
        string token = text.Trim();
        if (token.Length == 0)
            throw new UserError($"{source} is empty, but must be an administrator's token.");
        // What is no token may be another secret, so it is not repeated.
        if (token.Length > 1000 || !token.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
            throw new UserError($"{source} is no administrator's token: one line of letters, digits, '-' and '_', with a '.' after the identifier.");
        return token;
    }

    /// <summary>Reads a login file.</summary>
    /// <exception cref="UserError">There is none, it cannot be read, others can read it, or it is no login.</exception>
    public static Login Read(string path)
    {
        byte[]? contents;
        try
        {
            if (!PrivateFile.TryRead(path, out contents))
                throw new UserError($"There is no login in {path}. Log in to a controller first: kedge login URL --pin PIN");
            if ((File.GetUnixFileMode(path) & Others) != 0)
                throw new UserError($"Others can read or change {path}, which has an administrator's token in it: chmod 600 {path}");
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The login cannot be read: {e.Message}", e);
        }
        try
        {
            StoredLogin? stored = JsonSerializer.Deserialize(contents, LoginJson.Default.StoredLogin);
            if (stored is not null && TryReadUrl(stored.Url, out Uri? url) && Sha256Digest.TryParse(stored.Pin, out Sha256Digest pin))
                return new Login(url, pin, ReadToken(stored.Token, "The token in it"));
            throw new JsonException();
        }
        catch (Exception e) when (e is JsonException or UserError)
        {
            throw new UserError($"{path} is not a login as 'kedge login' writes it. Log in again: kedge login URL --pin PIN", e);
        }
    }

    /// <summary>Writes a login file that only its owner can read, in a folder that is made where it is missing.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void Write(string path)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!, OwnerOnly);
            PrivateFile.Write(
                path,
                JsonSerializer.SerializeToUtf8Bytes(
                    new StoredLogin(Url.GetLeftPart(UriPartial.Authority), Pin.ToString(), Token), LoginJson.Default.StoredLogin));
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The login cannot be kept: {e.Message}. Choose another file with --login-file.", e);
        }
    }

    /// <summary>Deletes a login file.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="UserError">There is one, but it cannot be deleted.</exception>
    public static bool Delete(string path)
    {
        try
        {
            bool there = File.Exists(path);
            File.Delete(path);
            return there;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The login cannot be deleted: {e.Message}", e);
        }
    }

    /// <summary>Where it is and whose authority is pinned; without the token.</summary>
    public override string ToString() => $"{Url} ({Pin})";
}

/// <summary>A login as it is in its file.</summary>
internal sealed record StoredLogin(string Url, string Pin, string Token);

/// <summary>How a login is written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StoredLogin))]
internal sealed partial class LoginJson : JsonSerializerContext;
