using System.Text.Json;
using Kedge.Protocol;

namespace Kedge.Commands.Warp;

/// <summary>The file by which socket-warp's connector is told everything. Paths in it count from the current folder, as there.</summary>
/// <param name="ClientCertificatePath">The connector's certificate.</param>
/// <param name="ClientKeyPath">Its key.</param>
/// <param name="AuthorityPath">The authorities that certify the listener.</param>
/// <param name="ServerName">The listener's name, which is looked up and must be in its certificate.</param>
/// <param name="ServicePort">The listener's UDP port.</param>
internal sealed record WarpSettingsFile(string ClientCertificatePath, string ClientKeyPath, string AuthorityPath, string ServerName, ushort ServicePort)
{
    /// <summary>The name that the file has in socket-warp.</summary>
    public const string UsualName = "settings.json";

    /// <summary>Reads a file.</summary>
    /// <exception cref="UserError">It cannot be read, or lacks something.</exception>
    public static WarpSettingsFile Read(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(FileText.Read(path));
            JsonElement root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new UserError($"{path} is not a JSON object.");
            return new WarpSettingsFile(
                Text(root, "client_cert_path", path), Text(root, "client_key_path", path), Text(root, "ca_cert_path", path),
                Text(root, "server_name", path), Port(root, path));
        }
        catch (JsonException e)
        {
            throw new UserError($"{path} is not JSON: {e.Message}", e);
        }
    }

    private static string Text(JsonElement root, string name, string path) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : throw new UserError($"{path} has no {name}, which must be a text: a connector needs client_cert_path, client_key_path, ca_cert_path, server_name and service_port.");

    private static ushort Port(JsonElement root, string path) =>
        root.TryGetProperty("service_port", out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetUInt16(out ushort port) && port != 0
            ? port
            : throw new UserError($"{path} has no service_port, which must be a number from 1 to 65535.");
}
