using System.Text;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.Toml;

namespace Kedge.Commands.Rosenpass;

/// <summary>A configuration file of <c>rosenpass</c>.</summary>
internal static class ConfigurationFile
{
    /// <summary>Reads a file. Paths in it that begin with <c>~/</c> are in the folder of who runs this.</summary>
    /// <exception cref="UserError">It cannot be read, or is wrong; all errors are told at once.</exception>
    public static RosenpassConfiguration Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The configuration file {path} cannot be read: {e.Message} 'kedge rosenpass gen-config' writes one.", e);
        }
        RosenpassConfiguration configuration = RosenpassConfiguration.Parse(text, out IReadOnlyList<TomlError> errors)
            ?? throw new UserError($"{path} is wrong.\n{string.Join('\n', errors.Select(error => $"{path}, {error}"))}");
        return ExpandPaths(configuration);
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
                PublicKey = Expand(peer.PublicKey)!, PreSharedKey = Expand(peer.PreSharedKey), KeyOut = Expand(peer.KeyOut),
            }),
        ],
    };

    private static string? Expand(string? path) => path is not null && path.StartsWith("~/", StringComparison.Ordinal)
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
        : path;
}
