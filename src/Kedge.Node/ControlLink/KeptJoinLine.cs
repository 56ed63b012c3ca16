using System.Security.Cryptography;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol.Enrolment;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The join line of an ephemeral node, a secret: by it the node comes back by itself after the controller has removed it for its absence. It is
/// kept beside the node's keys, 0600, and no other node keeps one.
/// </summary>
internal static class KeptJoinLine
{
    /// <summary>Reads it; null where there is none, or none that makes sense.</summary>
    public static JoinLine? TryRead(NodeFolder folder)
    {
        byte[]? text = null;
        try
        {
            text = NodeFolder.Read(folder.JoinLine);
            return text is not null && JoinLine.TryParse(Encoding.UTF8.GetString(text), out JoinLine? line, out _) ? line : null;
        }
        catch (LinuxException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>Keeps the line of an ephemeral node, or deletes what was kept before the node became another kind.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <param name="line">The line that the node has just joined by; null for one without a token, which changes nothing.</param>
    /// <param name="isEphemeral">Whether the controller removes the node for its absence.</param>
    /// <exception cref="LinuxException">It cannot be written.</exception>
    public static void Keep(NodeFolder folder, JoinLine? line, bool isEphemeral)
    {
        if (!isEphemeral)
            File.Delete(folder.JoinLine);
        if (!isEphemeral || line?.Token is null)
            return;
        byte[] text = Encoding.UTF8.GetBytes(line.ToSecretText() + "\n");
        PrivateFile.Write(folder.JoinLine, text);
        CryptographicOperations.ZeroMemory(text);
    }
}
