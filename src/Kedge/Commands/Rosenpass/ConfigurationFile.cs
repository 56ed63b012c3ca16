using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.Toml;

namespace Kedge.Commands.Rosenpass;

/// <summary>Configuration files of <c>rosenpass</c> and <c>rp</c>.</summary>
internal static class ConfigurationFile
{
    private delegate T? Parser<T>(string text, out IReadOnlyList<TomlError> errors)
        where T : class;

    /// <summary>Reads a file of <c>rosenpass</c>. Paths in it that begin with <c>~/</c> are in the folder of who runs this.</summary>
    /// <exception cref="UserError">It cannot be read, or is wrong; all errors are told at once.</exception>
    public static RosenpassConfiguration Read(string path) => ExpandPaths(
        Read<RosenpassConfiguration>(path, RosenpassConfiguration.Parse, " 'kedge rosenpass gen-config' writes one."));

    /// <summary>Reads a file of <c>rp</c>. Paths in it that begin with <c>~/</c> are in the folder of who runs this.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    public static RpConfiguration ReadRp(string path)
    {
        RpConfiguration configuration = Read<RpConfiguration>(path, RpConfiguration.Parse, "");
        return configuration with
        {
            SecretKeys = Expand(configuration.SecretKeys),
            Peers = [.. configuration.Peers.Select(peer => peer with { PublicKeys = Expand(peer.PublicKeys) })],
        };
    }

    /// <summary>Replaces <c>~</c> at the beginning of paths.</summary>
    public static RosenpassConfiguration ExpandPaths(RosenpassConfiguration configuration) => configuration with
    {
        PublicKey = Expand(configuration.PublicKey),
        SecretKey = Expand(configuration.SecretKey),
        Peers =
        [
            .. configuration.Peers.Select(peer => peer with
            {
                PublicKey = Expand(peer.PublicKey), PreSharedKey = Expand(peer.PreSharedKey), KeyOut = Expand(peer.KeyOut),
            }),
        ],
    };

    private static T Read<T>(string path, Parser<T> parse, string hint)
        where T : class
    {
        return parse(FileText.Read(path, hint), out IReadOnlyList<TomlError> errors)
            ?? throw new UserError($"{path} is wrong.\n{string.Join('\n', errors.Select(error => $"{path}, {error}"))}");
    }

    [return: NotNullIfNotNull(nameof(path))]
    private static string? Expand(string? path) => path is not null && path.StartsWith("~/", StringComparison.Ordinal)
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
        : path;
}
